"""How a command ends: what is said last and which code the shell sees.

0   all is well
1   the data fell below a critical expectation, or `doctor` found something broken
2   something the user can mend: input, settings, disk, memory
70  a fault of multicsr itself
130 stopped by Ctrl-C; 143 stopped by SIGTERM; within five seconds, at a second Ctrl-C at once
141 whoever read the output went away
"""

import contextlib
import errno
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence

import typer
from rich.text import Text
from typer.exceptions import TyperException

from cli.console import ERR
from cli.launching import command_to_go_on
from cli.stopping import Terminated, leave, stoppable
from cli.wording import lines_of
from stages.errors import PipelineError, first_line

INTERRUPTED, TERMINATED, BROKEN_PIPE, FAULT = 130, 143, 141, 70
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
DISK_FAILS = {errno.EIO, errno.EROFS}
TORCH_CANNOT_WRITE = "PytorchStreamWriter failed"
"""torch does not say why it could not write a checkpoint."""
KEPT = "whole files, finished shards and checkpoints are kept"
REPORT_IT = (
    "this is a fault in multicsr, not in your input.\n"
    "  remedy: please report it with the lines above, the command and `multicsr doctor`'s output."
)


def run_to_its_end(command: Callable[[], None], *, arguments: Sequence[str]) -> int:
    """Run ``command``, say what has to be said when it fails, and return the exit code.

    Args:
        command: What is run.
        arguments: What a person gave to have it run, to say how to go on.
    """
    signalled = threading.Event()
    try:
        with stoppable(lambda: f"stopped: {_stopped(arguments)}") as signalled:
            command()
            sys.stdout.flush()
    except typer.Exit as wanted:
        return wanted.exit_code
    except (KeyboardInterrupt, typer.Abort, Terminated) as stop:
        _say("stopped", _stopped(arguments, getattr(stop, "__notes__", ())), style="yellow")
        code = TERMINATED if isinstance(stop, Terminated) else INTERRUPTED
        return leave(code) if signalled.is_set() else code
    except BrokenPipeError:
        _forget_stdout()
        return BROKEN_PIPE
    except Exception as error:
        return _end_of(error)
    return 0


def _stopped(arguments: Sequence[str], kept: Sequence[str] = ()) -> str:
    """Return what is kept of the work, in lines, and how to go on."""
    lines = [f"{KEPT}.", *(f"  kept: {note}" for note in kept)]
    return "\n".join([*lines, f"  go on with: {command_to_go_on(arguments)}"])


def _end_of(error: Exception) -> int:
    if isinstance(error, TyperException):
        _say("error", f"{error.format_message()}\n  remedy: {_where_help_is(error)}")
        return 2
    known = error if isinstance(error, PipelineError) else _known_trouble(error)
    if known is not None:
        _say("error", str(known))
        return known.exit_code
    traceback.print_exception(error)
    _say("error", REPORT_IT)
    return FAULT


def _known_trouble(error: BaseException | None) -> PipelineError | None:
    """Return what the user can do when the machine, not the code, is at its limit."""
    while error is not None:
        full = isinstance(error, OSError) and error.errno in DISK_FULL
        if full or "No space left on device" in str(error):
            return PipelineError(
                f"the disk is full: {first_line(error)}.",
                remedy="free some space (`multicsr work list` shows what .work takes) and run the "
                "same command again; artefacts of earlier runs are untouched.",
            )
        if _is_of_the_disk(error):
            return PipelineError(
                f"the disk does not take what is written, or does not give it back: "
                f"{first_line(error)}.",
                remedy="see whether it is full or failing, then run the same command again; "
                "artefacts of earlier runs are untouched.",
            )
        if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
            return PipelineError(
                f"the memory is full: {first_line(error)}.",
                remedy="lower the batch size of this stage in params.yaml and run it again.",
            )
        error = error.__cause__ or error.__context__
    return None


def _is_of_the_disk(error: BaseException) -> bool:
    fails = isinstance(error, OSError) and error.errno in DISK_FAILS
    return fails or TORCH_CANNOT_WRITE in str(error) or "Input/output error" in str(error)


def _where_help_is(error: TyperException) -> str:
    context = getattr(error, "ctx", None)
    command = "multicsr" if context is None else context.command_path
    return f"`{command} --help` shows what it takes."


def _say(kind: str, message: str, *, style: str = "bold red") -> None:
    with contextlib.suppress(OSError):
        line = Text(f"{kind}: ", style=style).append(lines_of(message), style="not bold default")
        ERR.print(line, soft_wrap=not ERR.is_terminal)


def _forget_stdout() -> None:
    """Send what is still to be written nowhere, or the interpreter complains when it ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
