"""An encoder's folder on its way to a hub repository: looked through first, sent only when told."""

import logging
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stages.errors import PipelineError, first_line

log = logging.getLogger(__name__)

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy", ".npz", ".h5")
CODE = (".py", ".pyc", ".so", ".sh", ".exe", ".dll")
LARGEST_FILE = 50 * 10**9
"""Bytes; the hub takes no larger file."""
MOST_FILES = 1000
"""An encoder has a dozen; more means that another folder was meant."""
REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
LOCAL = "path:"


class Hub(Protocol):
    """The two calls of huggingface_hub's HfApi that are needed."""

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> object:
        """Make the repository unless it exists."""
        ...

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> object:
        """Send the files of a folder as one commit."""
        ...


@dataclass(frozen=True)
class Shipment:
    """What would be sent: paths relative to ``folder`` and their sizes in bytes."""

    folder: Path
    files: dict[str, int]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.files.values())


def plan(folder: Path) -> Shipment:
    """Look through ``folder`` and list what would be sent.

    Raises:
        PipelineError: When it is no encoder, or holds pickles, code, links, hidden files, too many
            files or too large ones; every fault is named.
    """
    if not (folder / "modules.json").is_file() or not list(folder.rglob("*.safetensors")):
        raise PipelineError(
            f"{folder} is no sentence encoder: modules.json or safetensors are missing.",
            remedy="train one first (`dvc repro`), or name its folder.",
        )
    entries = sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    faults = [f"{path.relative_to(folder)} {fault}" for path in entries if (fault := _fault(path))]
    if len(entries) > MOST_FILES:
        faults.append(f"{len(entries):,} files are more than {MOST_FILES:,}")
    if not (folder / "README.md").is_file():
        faults.append("README.md, the model card, is missing")
    if faults:
        raise PipelineError(
            f"{folder} is not published: {'; '.join(faults)}.",
            remedy="mend the folder; safetensors, configuration, tokenizer and card belong in.",
        )
    return Shipment(folder, {p.relative_to(folder).as_posix(): p.stat().st_size for p in entries})


def check_target(target: str) -> None:
    """Check that ``target`` is OWNER/NAME or path:FOLDER.

    Raises:
        PipelineError: When it is neither.
    """
    is_local = target.startswith(LOCAL) and len(target) > len(LOCAL)
    if not is_local and not REPOSITORY.fullmatch(target):
        raise PipelineError(
            f"{target!r} is no place to publish to.",
            remedy="write OWNER/NAME for a hub repository, or path:FOLDER for a folder.",
        )


def deliver(shipment: Shipment, target: str) -> None:
    """Copy the files to the folder that ``target`` (path:FOLDER) names.

    Raises:
        PipelineError: When the folder is there and not empty, or cannot be written.
    """
    folder = Path(target.removeprefix(LOCAL))
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise PipelineError(
                f"{folder} exists and is not an empty folder.", remedy="name a new folder."
            )
        for name in shipment.files:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shipment.folder / name, folder / name)
    except OSError as error:
        raise PipelineError(
            f"{folder} cannot be written: {error}", remedy="free disk space or name another folder."
        ) from error


def send(shipment: Shipment, target: str, *, hub: Hub, private: bool, message: str) -> None:
    """Send the files to the hub repository ``target`` as one commit; it is made if need be.

    Raises:
        PipelineError: When the hub refuses or cannot be reached.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError

    try:
        hub.create_repo(target, private=private, exist_ok=True)
        hub.upload_folder(repo_id=target, folder_path=str(shipment.folder), commit_message=message)
    except (HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise PipelineError(
            f"the hub did not take {target}: {first_line(error)}.",
            remedy="check the name, that your token may write there, and the network; then run it "
            "again: what has arrived is not sent twice.",
        ) from error


def connect() -> Hub:
    """Return the hub's client, which reads the token from HF_TOKEN or from the hub's own login.

    Raises:
        PipelineError: When there is no token.
    """
    from huggingface_hub import HfApi, get_token

    if get_token() is None:
        raise PipelineError(
            "there is no token for the hub.",
            remedy="run `hf auth login`, or set HF_TOKEN in the environment of this command.",
        )
    hub: Hub = HfApi()
    return hub


def _fault(path: Path) -> str | None:
    name = path.name.lower()
    faults = {
        "is a link": path.is_symlink(),
        "may be a pickle": name.endswith(PICKLED),
        "is code": name.endswith(CODE),
        "is hidden": name.startswith(".") and name != ".gitattributes",
        f"is larger than {LARGEST_FILE // 10**9} GB": path.is_file()
        and path.stat().st_size > LARGEST_FILE,
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)
