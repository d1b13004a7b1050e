"""The seam to engines: what makes the shards that are missing, in this process or on a cluster.

What an engine is given says nothing of how it works, and no shard's name covers it: a run may begin
on one engine and end on another.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import NamedTuple, Protocol

import polars as pl

from stages.engines.hardware import Hardware

MOST_TOLD = 4
"""Workers told one by one."""


class Order(NamedTuple):
    """A shard that is to be made."""

    number: int
    label: str
    """What its seal will say."""
    rows: pl.DataFrame


class Maker(Protocol):
    """Makes shards. It may be sent to another machine, so what it needs is loaded when first used.

    Equal orders give equal bytes, wherever they are carried out.
    """

    def __call__(self, order: Order, advance: Callable[[int], None]) -> bytes:
        """Return the bytes of the file, with a blank seal.

        Args:
            order: What is to be made.
            advance: Told how many more rows are done, 0 for a mere sign of life.
        """


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What a worker must find where it works, so that its shards are those of this process."""

    models: Mapping[str, str] = field(default_factory=dict)
    """Folders of models, as paths from the folder that this process works in, and what they hold
    (see :func:`stages.engines.folders.digests_of`)."""
    surroundings: Mapping[str, object] = field(default_factory=dict)
    """Device, libraries and threads; empty where nothing is rounded."""


@dataclass(kw_only=True)
class Worker:
    """What one worker has done."""

    name: str
    shards: int = 0
    rows: int = 0
    seconds: float = 0.0
    """In which it computed."""

    @property
    def rate(self) -> float:
        """Rows a second of computing."""
        return self.rows / self.seconds if self.seconds else 0.0


class Throughput:
    """Counts what every worker has done, over all that an engine was asked to make."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def add(self, name: str, *, rows: int, seconds: float) -> None:
        """Note that a worker has made a shard."""
        worker = self._workers.setdefault(name, Worker(name=name))
        worker.shards += 1
        worker.rows += rows
        worker.seconds += seconds

    def workers(self) -> list[Worker]:
        """Return all workers that have made a shard, by name."""
        return [self._workers[name] for name in sorted(self._workers)]

    def records(self) -> list[dict[str, object]]:
        """Return the same as JSON values, with rows a second."""
        return [
            {**asdict(worker), "seconds": round(worker.seconds, 3), "rate": round(worker.rate, 4)}
            for worker in self.workers()
        ]


class Engine(Protocol):
    """Carries out orders."""

    @property
    def hardware(self) -> Hardware:
        """What its workers compute on: part of the fingerprints of what they make."""

    @property
    def at_once(self) -> int:
        """Most orders of one call; their locks are held until they are carried out."""

    @property
    def throughput(self) -> Throughput:
        """What its workers have done so far."""

    def made(
        self,
        orders: Iterable[Order],
        maker: Maker,
        *,
        terms: Terms,
        advance: Callable[[int, int], None],
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of every order under its number, in the order in which they are made.

        Args:
            orders: At most ``at_once``; their rows may be read when they are asked for.
            maker: What makes them.
            terms: What must be there where they are made.
            advance: Told a number and how many more of its rows are done.

        Raises:
            PipelineError: When they cannot be made there, or ``maker`` says so.
        """


def told(workers: Iterable[Worker]) -> str:
    """Say in a few words what the workers have done, slowest and fastest of many.

    >>> told([Worker(name="a", rows=8, seconds=4), Worker(name="b", rows=6, seconds=2)])
    'a 8 rows (2/s), b 6 rows (3/s)'
    """
    by_rate = sorted(workers, key=lambda worker: worker.rate)
    if len(by_rate) > MOST_TOLD:
        rows = sum(worker.rows for worker in by_rate)
        slow, fast = by_rate[0].rate, by_rate[-1].rate
        return f"{len(by_rate)} workers, {rows:,} rows, {slow:.2g} to {fast:.2g} a second each"
    by_name = sorted(by_rate, key=lambda worker: worker.name)
    return ", ".join(f"{one.name} {one.rows:,} rows ({one.rate:.2g}/s)" for one in by_name)
