"""Where a run keeps its unfinished work, and how it is found again."""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.engines.digests import path_digest
from stages.engines.folders import MadeWith, used
from stages.engines.locks import lock
from stages.engines.processes import Processes
from stages.errors import PipelineError

log = logging.getLogger(__name__)


STATES = 3
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


def weights_digest(folder: Path) -> str:
    """Return the sha256 of the model's safetensors, 64 hexadecimal digits: its identity."""
    return hashlib.sha256(
        b"".join(path_digest(file) for file in sorted(folder.rglob("*.safetensors")))
    ).hexdigest()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in ``folder``, and delete any that was cut short.

    The trainer writes its state last, so a checkpoint without a readable one is incomplete.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        log.warning("train: %s is incomplete and is deleted", checkpoint)
        shutil.rmtree(checkpoint)
    return None


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


def step_of(checkpoint: Path) -> int:
    """Return the step after which the trainer wrote ``checkpoint``, -1 when its name is odd.

    >>> step_of(Path("work/checkpoint-25"))
    25
    """
    number = checkpoint.name.removeprefix("checkpoint-")
    return int(number) if number.isdigit() else -1
