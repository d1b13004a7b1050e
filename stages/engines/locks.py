"""Locks between processes that die with their owner.

flock(2): the operating system frees them however a process ends, so that none is ever stale and
nobody has to guess whether a process of some number still lives. filelock, which torch brings,
wraps the same call but has no lock that several may share.
"""

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stages.errors import PipelineError

FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def lock(path: Path, *, shared: bool = False) -> Iterator[bool]:
    """Hold the lock ``path`` while the block runs, unless somebody else does; never waits.

    Args:
        path: An empty file, made where it is missing. The one who held it alone removes it.
        shared: Let others who share it in, and only keep out who wants it alone.

    Yields:
        True when the lock is ours.

    Raises:
        PipelineError: When the file cannot be made, or the file system knows no locks.
    """
    descriptor = _taken(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        if not shared:
            path.unlink(missing_ok=True)  # while it is ours: whoever opened it will look again
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Say whether a running process holds the lock ``path``, alone or with others."""
    if not path.exists():
        return False
    with lock(path) as free:
        return not free


def _taken(path: Path, how: int) -> int | None:
    """Return a descriptor that holds the lock, None when another does."""
    while True:
        descriptor = _opened(path)
        try:
            if not _flocked(descriptor, how, path):
                os.close(descriptor)
                return None
            if _is_at(path, descriptor):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed between opening and locking: others would meet elsewhere


def _opened(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, FLAGS, 0o644)
    except OSError as error:
        raise PipelineError(
            f"{path} could not be made: {error}.",
            remedy="free disk space or mend the permissions of the folder, or name another one "
            "with --work.",
        ) from error


def _flocked(descriptor: int, how: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in {errno.EAGAIN, errno.EACCES}:
            return False
        raise PipelineError(
            f"{path} cannot be locked: {error}; its file system may know no locks.",
            remedy="name a work folder on a local disk with --work.",
        ) from error
    return True


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (mine.st_dev, mine.st_ino)
