"""The failing file layer of file_layer.c: built with the C compiler, driven through ctypes."""

import ctypes
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_suffix(".c")
COMPILER = shutil.which("cc") or shutil.which("gcc")
MODES = ("off", "count", "kill", "tear", "fail_once", "fail_from", "short")


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        mode: `count` nothing; `kill` before the step; `tear` it in the middle and kill; let it, or
            it and all later ones, fail; `short` does a part of every read and write.
        step: At which call that changes something below the folder, from 1.
        error: errno of a call that fails.
    """

    mode: str
    step: int = 0
    error: int = 0


def build(folder: Path) -> Path:
    """Compile the layer into ``folder``; the result goes into LD_PRELOAD."""
    assert COMPILER is not None
    library = folder / "file_layer.so"
    words = [COMPILER, "-shared", "-fPIC", "-O1", "-w", "-o", str(library), str(SOURCE), "-ldl"]
    subprocess.run(words, check=True)
    return library


def arm(folder: Path, fault: Fault, *, trace: Path | None = None) -> None:
    """Let ``fault`` happen in this process to files below ``folder``.

    Args:
        folder: Absolute, without links.
        fault: What goes wrong.
        trace: Gets a line for every step: the call and the file.
    """
    library = ctypes.CDLL(None)
    flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
    descriptor = -1 if trace is None else os.open(trace, flags, 0o644)
    mode = MODES.index(fault.mode)
    below = bytes(folder) + b"/"
    library.file_layer_arm(below, mode, ctypes.c_long(fault.step), fault.error, descriptor)


def steps() -> int:
    """Return how many calls have changed something since the layer was armed."""
    counted = ctypes.CDLL(None).file_layer_steps
    counted.restype = ctypes.c_long
    return int(counted())
