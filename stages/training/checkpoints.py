"""Where a run keeps its unfinished work, and how it is found again."""

import hashlib
import json
import logging
import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

from stages.engines.digests import path_digest

log = logging.getLogger(__name__)

STATES = ("*.pt", "*.pth")
"""Files of optimiser, schedule and random generators."""


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that change with any of ``parts``.

    A path stands for the bytes of the file, or of all files of the folder with their names;
    anything else for its ``repr``. The versions of the libraries that train are always part of it.
    """
    libraries = [version(name) for name in ("torch", "transformers", "sentence-transformers")]
    digest = hashlib.sha256(repr(libraries).encode())
    for part in parts:
        digest.update(path_digest(part) if isinstance(part, Path) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]


def weights_digest(folder: Path) -> str:
    """Return the sha256 of the model's safetensors, 64 hexadecimal digits: its identity."""
    return hashlib.sha256(
        b"".join(path_digest(file) for file in sorted(folder.rglob("*.safetensors")))
    ).hexdigest()


def last_checkpoint(folder: Path) -> Path | None:
    """Return the newest whole checkpoint in ``folder``, and delete any that was cut short.

    The trainer writes its state last, so a checkpoint without a readable one is incomplete; so is
    one whose other states are not tensors and numbers alone.
    """
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=step_of, reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        log.warning("train: %s is incomplete or damaged and is deleted", checkpoint)
        shutil.rmtree(checkpoint)
    return None


def _is_whole(checkpoint: Path) -> bool:
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return all(_is_plain(file) for kind in STATES for file in sorted(checkpoint.glob(kind)))


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
