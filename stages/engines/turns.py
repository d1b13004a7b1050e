"""Several processes, one list of pieces: each takes the next that nobody is at, all get the whole.

A piece is locked while it is made. Its maker touches the lock from time to time; where it is
neither finished nor touched for long, although its maker lives, another makes it as well: what both
write is the same.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from stages.engines.locks import lock

log = logging.getLogger(__name__)

PAUSE = 0.2
"""Seconds between two looks at pieces that others are at."""
STUCK = 1800.0
"""Seconds without a sign of life after which a piece is made although another process holds it."""
Piece = TypeVar("Piece")
Found = TypeVar("Found", covariant=True)  # noqa: PLC0105  a piece, told apart for its variance


class Find(Protocol[Found]):
    """Looks for a finished piece."""

    def __call__(self, number: int, *, mine: bool) -> Found | None:
        """Return the piece, None where there is none; ``mine`` says that its lock is held."""


def in_turns(
    paths: Sequence[Path], *, find: Find[Piece], make: Callable[[int], Piece]
) -> Iterator[tuple[int, Piece]]:
    """Yield every piece once, with its number, in the order in which they are had.

    Args:
        paths: Where the pieces are, or will be.
        find: Looks for a finished piece.
        make: Makes a piece and leaves it where ``find`` finds it.
    """
    waiting = list(range(len(paths)))
    owners = _Owners()
    while waiting:
        busy = []
        for number in waiting:
            piece = find(number, mine=False)
            if piece is None:
                piece = _made(number, paths[number], find, make, owners)
            if piece is None:
                busy.append(number)
            else:
                yield number, piece
        if len(busy) == len(waiting):
            owners.say_waiting(busy)
            time.sleep(PAUSE)
        waiting = busy


def alive(path: Path) -> None:
    """Give a sign of life of who makes the piece at ``path``."""
    with contextlib.suppress(OSError):
        os.utime(lock_of(path))


def lock_of(path: Path) -> Path:
    """Return the lock of the piece at ``path``; it is there only while the piece is made."""
    return path.with_name(f"{path.name}.lock")


def _made(
    number: int,
    path: Path,
    find: Find[Piece],
    make: Callable[[int], Piece],
    owners: "_Owners",
) -> Piece | None:
    """Return the piece, made now or a moment ago; None while another process is at it."""
    with lock(lock_of(path)) as mine:
        if not mine:
            return make(number) if owners.is_stuck(path) else None
        # It may have been finished between the look and the lock.
        piece = find(number, mine=True)
        return make(number) if piece is None else piece


class _Owners:
    """The processes that others' pieces are waited for."""

    def __init__(self) -> None:
        self._signs: dict[Path, tuple[int, float]] = {}
        self._said = False

    def is_stuck(self, path: Path) -> bool:
        """Say whether the owner has given no sign of life for long, by this process' own clock."""
        try:
            sign = lock_of(path).stat().st_mtime_ns
        except FileNotFoundError:
            return False
        last, since = self._signs.get(path, (None, 0.0))
        now = time.monotonic()
        if sign != last:
            self._signs[path] = (sign, now)
            return False
        if now - since < STUCK:
            return False
        log.warning("%s: its process has not moved for %.0f s; made here, too", path, now - since)
        return True

    def say_waiting(self, busy: Sequence[int]) -> None:
        """Say once that all that is left is in the hands of others."""
        if not self._said:
            self._said = True
            log.info("waiting for %s shards that other processes are at", len(busy))
