"""A file takes the place of another when it is whole and on the disk, and not before."""

import contextlib
import errno
import fcntl
import glob
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from stages.errors import PipelineError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    The old file stays whole when the block fails, also when the disk is full or the machine stops:
    the new one is on the disk, and so is its name, before anybody is told. What a killed process
    left half written for the same ``path`` is removed.

    Raises:
        PipelineError: When the operating system refuses the write.
    """
    handle, temporary = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        handle, temporary = _temporary(path)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _flush_folder(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PipelineError(
            f"{path} could not be written: {error}; what was there before is untouched.",
            remedy="free disk space or mend the permissions of the folder, then run again.",
        ) from error
    finally:
        if temporary is not None and handle is not None:
            temporary.unlink(missing_ok=True)
            os.close(handle)  # not before: unlocked it would count as abandoned


def _temporary(path: Path) -> tuple[int, Path]:
    """Make an empty file beside ``path``, locked for as long as its descriptor is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            mine = _locked(handle)
        except OSError:  # a file system without locks: nothing is taken for abandoned there
            mine = True
        if mine and Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # taken for abandoned by another process, in the moment before the lock


def _remove_abandoned(path: Path) -> None:
    """Remove what processes that are no more left half written for ``path``."""
    for file in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), file.open("rb") as left:
            if _locked(left.fileno()):
                file.unlink()


def _locked(handle: int) -> bool:
    """Lock an open file until it is closed or its process ends; False where another has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(handle)
