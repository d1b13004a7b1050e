"""One process a core: what it costs to let others compute can be told from what cores share."""

import fcntl
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.language_models.triplet_writing import TripletWriter

_held: dict[str, int] = {}
"""Lock files of the cores that this process has taken, by folder; they die with it."""


@dataclass(frozen=True)
class Pinned:
    """Writes triplets on a core of its own, and notes `pid begin end rows` of every batch.

    The first batch of a process loads the model and writes two sentences before the clock starts.
    """

    writer: TripletWriter
    folder: str
    cores: tuple[int, ...]

    def __call__(self, sentences: pl.DataFrame) -> pl.DataFrame:
        if self.folder not in _held:
            _held[self.folder] = self._take_a_core()
            self.writer.write(sentences[:2])
        begin = time.monotonic()
        result = self.writer.write(sentences)
        line = f"{os.getpid()} {begin} {time.monotonic()} {len(sentences)}\n"
        with (Path(self.folder) / "log").open("a") as log:
            log.write(line)
        return result

    def _take_a_core(self) -> int:
        for core in self.cores:
            descriptor = os.open(Path(self.folder) / f"core-{core}", os.O_RDWR | os.O_CREAT)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            for thread in Path("/proc/self/task").iterdir():
                os.sched_setaffinity(int(thread.name), {core})
            return descriptor
        message = "more workers than cores"
        raise AssertionError(message)


def rate(folder: Path, *, end: float) -> float:
    """Return rows a second of all workers, each from its first batch to the ``end`` of the run."""
    first: dict[str, float] = {}
    rows: dict[str, int] = {}
    for line in (folder / "log").read_text().splitlines():
        pid, begin, _, count = line.split()
        first.setdefault(pid, float(begin))
        rows[pid] = rows.get(pid, 0) + int(count)
    return sum(rows[pid] / (end - begin) for pid, begin in first.items())


def cores() -> Sequence[int]:
    """Return the cores that this process may use."""
    return sorted(os.sched_getaffinity(0))
