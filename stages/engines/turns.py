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

    def make_each(numbers: Sequence[int]) -> Iterator[tuple[int, Piece]]:
        return ((number, make(number)) for number in numbers)

    return many_in_turns(paths, find=find, make=make_each, at_once=1)


def many_in_turns(
    paths: Sequence[Path],
    *,
    find: Find[Piece],
    make: Callable[[Sequence[int]], Iterator[tuple[int, Piece]]],
    at_once: int,
) -> Iterator[tuple[int, Piece]]:
    """Yield every piece as :func:`in_turns` does, several of them made side by side.

    Args:
        paths: Where the pieces are, or will be.
        find: Looks for a finished piece.
        make: Makes the pieces of these numbers, which nobody else is at, and leaves them where
            ``find`` finds them; yields each when it is there, in any order.
        at_once: Most pieces given to ``make`` in one call; as many locks are held meanwhile.
    """
    waiting = list(range(len(paths)))
    owners = _Owners()
    while waiting:
        busy: list[int] = []
        with _Claims(paths) as claims:
            for number in waiting:
                piece = find(number, mine=False)
                if piece is None:
                    if not claims.take(number, owners):
                        busy.append(number)
                        continue
                    piece = claims.finished_meanwhile(number, find)
                if piece is not None:
                    yield number, piece
                elif len(claims.numbers) == at_once:
                    yield from claims.made(make)
            yield from claims.made(make)
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


class _Claims:
    """Pieces that are to be made here, each with its lock for as long as it is not there."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._locks: dict[int, contextlib.ExitStack] = {}
        self._held: set[int] = set()

    def __enter__(self) -> "_Claims":
        """Begin without any."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give all of them back."""
        for number in self.numbers:
            self.release(number)

    @property
    def numbers(self) -> list[int]:
        """What has been taken and not given back."""
        return list(self._locks)

    def take(self, number: int, owners: "_Owners") -> bool:
        """Take a piece; False while another process is at it, and moves."""
        path = self._paths[number]
        locks = contextlib.ExitStack()
        mine = locks.enter_context(lock(lock_of(path)))
        if not mine and not owners.is_stuck(path):
            return False
        self._locks[number] = locks
        self._held |= {number} if mine else set()
        return True

    def finished_meanwhile(self, number: int, find: Find[Piece]) -> Piece | None:
        """Return what was finished between the look and the lock, if it was; then give it back."""
        piece = find(number, mine=True) if number in self._held else None
        if piece is not None:
            self.release(number)
        return piece

    def release(self, number: int) -> None:
        """Give a piece back."""
        self._held.discard(number)
        self._locks.pop(number).close()

    def made(
        self, make: Callable[[Sequence[int]], Iterator[tuple[int, Piece]]]
    ) -> Iterator[tuple[int, Piece]]:
        """Yield all that were taken, made now; each is given back as soon as it is there."""
        if not self._locks:
            return
        for number, piece in make(self.numbers):
            self.release(number)
            for other in self._held:  # it is their turn soon: what makes them is alive
                alive(self._paths[other])
            yield number, piece


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
