"""Where a run keeps its unfinished work, and how it is found again."""

import hashlib
import logging
import shutil
import warnings
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from stages.engines.digests import path_digest
from stages.engines.disk import told
from stages.engines.folders import MadeWith, used
from stages.engines.locks import lock
from stages.engines.processes import Processes
from stages.errors import PipelineError
from stages.tables.replacing import replacing

log = logging.getLogger(__name__)

SUMS = "files.sha256"
"""Written last: digest and name of each file of a checkpoint, as `sha256sum --check` reads them."""
STATES = ("*.pt", "*.pth")
"""Files of optimiser, schedule and random generators."""
SIGNS_OF_A_FAILED_WRITE = ("inline_container", "iostream error", "No space left", "I/O error")
"""In messages; torch writes through a stream that forgets why it failed."""
WEIGHTS_KEPT = 3
"""What a checkpoint holds of each weight: itself, and AdamW's two averages."""


@contextmanager
def sole_use(folder: Path, *, made_with: MadeWith, processes: Processes) -> Iterator[None]:
    """Let nobody else train in ``folder``, or prune it, while the block runs.

    Raises:
        PipelineError: When another run does.
    """
    if not processes.is_first:
        yield
        return
    with lock(folder.with_name(f"{folder.name}.lock")) as mine:
        if not mine:
            raise PipelineError(
                f"another process trains with the same inputs and settings, in {folder}.",
                remedy="wait until it has ended: its encoder is the one you want.",
            )
        with used(folder, stage="train", made_with=made_with):
            yield


@contextmanager
def failed_writes_told(folder: Path) -> Iterator[None]:
    """Turn what torch and safetensors say of a write that failed into what the user can do.

    Raises:
        PipelineError: When a checkpoint in ``folder`` could not be written.
    """
    try:
        yield
    except (RuntimeError, SafetensorError, OSError) as error:
        if not any(sign in str(error) for sign in SIGNS_OF_A_FAILED_WRITE):
            raise
        free = told(shutil.disk_usage(folder).free)
        raise PipelineError(
            f"a checkpoint in {folder}, where {free} are free, could not be written: {error}.",
            remedy="free some space there (`multicsr work list` shows what earlier work takes) and "
            "run the same command again: it goes on from the last whole checkpoint.",
        ) from error


def weights_digest(folder: Path) -> str:
    """Return the sha256 of the model's safetensors, 64 hexadecimal digits: its identity."""
    return hashlib.sha256(
        b"".join(path_digest(file) for file in sorted(folder.rglob("*.safetensors")))
    ).hexdigest()


def seal(checkpoint: Path) -> None:
    """Write down the digests of all files in ``checkpoint``: from now on it counts as whole."""
    sums = _sums(checkpoint)
    with replacing(checkpoint / SUMS) as temporary:
        temporary.write_text(sums, encoding="utf-8")


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in ``folder``, and delete any newer one that is not.

    Whole is one that is sealed, whose files are the bytes that were written, and whose states are
    tensors and numbers alone.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        log.warning("train: %s is incomplete or damaged and is deleted", checkpoint)
        shutil.rmtree(checkpoint)
    return None


def delete_but(kept: Container[Path], *, folder: Path) -> None:
    """Delete the checkpoints in ``folder`` that are not ``kept``; what resists goes next time.

    The parent's way, by the folders' times, takes one that a kill left half deleted for the newest.
    """
    for checkpoint in folder.glob("checkpoint-*"):
        if checkpoint not in kept:
            shutil.rmtree(checkpoint, ignore_errors=True)


def _is_whole(checkpoint: Path) -> bool:
    try:
        said = (checkpoint / SUMS).read_text(encoding="utf-8")
        if said != _sums(checkpoint):
            return False
    except (OSError, ValueError):
        return False
    return all(_is_plain(file) for kind in STATES for file in sorted(checkpoint.glob(kind)))


def _sums(checkpoint: Path) -> str:
    lines = []
    for file in sorted(path for path in checkpoint.rglob("*") if path.is_file()):
        name = file.relative_to(checkpoint).as_posix()
        if name != SUMS:
            lines.append(f"{path_digest(file).hex()}  {name}\n")
    return "".join(lines)


def _is_plain(file: Path) -> bool:
    """Say whether the saved state holds tensors and numbers only; no other object is ever made."""
    import torch
    from transformers.trainer_pt_utils import safe_globals

    try:
        with safe_globals(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a pickle of another version, which is refused
            torch.load(file, map_location="meta", weights_only=True)
    except Exception:
        # Of a damaged or hostile file a reader may raise anything; it is of no use then.
        return False
    return True


def step_of(checkpoint: Path) -> int:
    """Return the step after which the trainer wrote ``checkpoint``, -1 when its name is odd.

    >>> step_of(Path("work/checkpoint-25"))
    25
    """
    number = checkpoint.name.removeprefix("checkpoint-")
    return int(number) if number.isdigit() else -1
