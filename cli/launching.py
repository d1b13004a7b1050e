"""Who started this command: a person, DVC or torch's launcher; and what a person types again."""

import contextlib
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

DVC_INNER = {"exec-run", "queue-worker"}
"""Commands by which DVC calls itself; nobody types them."""


def dvc_above() -> Any | None:
    """Return the process (of psutil) of the DVC that runs this stage; None without one."""
    if "DVC_STAGE" not in os.environ:
        return None
    return next((process for process, words in _ancestors() if words[:1] == ["dvc"]), None)


def is_gone(process: Any) -> bool:
    """Say whether a process (of psutil) has ended, whether or not its parent has noticed."""
    import psutil

    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def started_here() -> list[Any]:
    """Return the processes (of psutil) that this one has started, and those that they have."""
    import psutil

    return list(psutil.Process().children(recursive=True))


def command_to_go_on(arguments: Sequence[str]) -> str:
    """Return what a person types to go on: the call of DVC or torchrun, where one started this.

    Args:
        arguments: What this command was called with.
    """
    if "DVC_STAGE" in os.environ:
        typed = (words for _, words in _ancestors() if words[:1] == ["dvc"])
        words = next((words for words in typed if not DVC_INNER & set(words)), None)
        return "the same command of DVC" if words is None else shlex.join(words)
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return shlex.join(next((words for _, words in _ancestors()), ["torchrun", "..."]))
    own = ["multicsr"] if PurePath(sys.argv[0]).name == "multicsr" else ["python", "-m", "cli"]
    return shlex.join([*own, *arguments])


def _ancestors() -> Iterator[tuple[Any, list[str]]]:
    """Yield the processes above this one, the nearest first, with what was typed to start them."""
    import psutil

    with contextlib.suppress(psutil.Error):
        for process in psutil.Process().parents():
            with contextlib.suppress(psutil.Error):
                yield process, typed(process.cmdline())


def typed(command: Sequence[str]) -> list[str]:
    """Return ``command`` as a person types it: without the interpreter and the folders.

    >>> typed(["/opt/bin/python3.11", "/opt/bin/dvc", "repro"])
    ['dvc', 'repro']
    >>> typed(["python", "-m", "dvc", "exp", "run", "-S", "train.tau=0.1"])
    ['dvc', 'exp', 'run', '-S', 'train.tau=0.1']
    >>> typed(["python", "-m", "torch.distributed.run", "-m", "cli", "train"])
    ['python', '-m', 'torch.distributed.run', '-m', 'cli', 'train']
    """
    words = list(command)
    for place, word in enumerate(words[:3]):
        if PurePath(word).name in {"dvc", "torchrun"}:
            return [PurePath(word).name, *words[place + 1 :]]
    return [PurePath(word).name for word in words[:1]] + words[1:]
