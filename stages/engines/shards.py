"""Durable shards: work is cut up front, each piece is kept once done, and a rerun goes on.

A shard is written whole or not at all to ``<work>/<stage>/<fingerprint>/``. The fingerprint covers
everything that shapes the answer, so a changed setting never meets an old shard; a seal in each
shard tells the one that was torn, changed or put in another's place. Several processes may work in
one folder: each takes the next shard that nobody is at, and all end with the whole table.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
import polars as pl

from stages.engines.digests import fingerprint
from stages.engines.folders import MadeWith, used
from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine, Order, Terms
from stages.engines.seals import blank_seal
from stages.engines.series import Series
from stages.progress import Progress, kept_when_stopped
from stages.tables.reading import read_parquet
from stages.tables.rows import Rows
from stages.tables.schemas import Schema

COMMON_CHARACTERS = 400
"""Longer texts are computed fewer at a time, so that a batch never needs much more memory."""
RESULT_PER_INPUT = 3
"""Bytes of a result per byte of its row, before a shard is there to weigh: a table on disk is
compressed, and answers are about as long as what they answer."""
RESULTS_AT_ONCE = 8192
"""Rows of finished shards that are given together: each call into polars has its price."""
FORMAT = 2
"""Of the shards; part of every fingerprint."""
SEAL = "multicsr"
"""Key of the seal among Parquet's metadata."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a stage's work is cut, and what shapes its results."""

    stage: str
    """Names the folder and the progress bar."""
    facts: Mapping[str, object]
    """All that shapes the results besides the input rows, as JSON values."""
    schema: Schema
    """Columns of the results."""
    shard_rows: int
    """Rows kept at once."""
    batch_rows: int
    """Rows computed at once, fewer of texts over 400 characters; shapes nothing that is kept."""
    alike: str
    """Column of text: within a shard, rows of like length are computed together."""
    results_each: int = 1
    """Results of a row; they come side by side."""
    made_with: MadeWith = field(default_factory=MadeWith)
    """What the folder was made with, for people."""
    output: Path | None = None
    """Where the whole table will go; there has to be room for it, too."""
    models: Mapping[str, str] = field(default_factory=dict)
    """Folders of the models that ``compute`` loads, with their digests: workers must have them."""

    @property
    def terms(self) -> Terms:
        """What a worker must find."""
        return Terms(models=self.models, surroundings=self.made_with.surroundings)

    def maker(self, compute: Callable[[pl.DataFrame], pl.DataFrame]) -> "TableMaker":
        """Return what makes a shard by ``compute``."""
        return TableMaker(
            compute=compute,
            columns=tuple(self.schema),
            batch_rows=self.batch_rows,
            alike=self.alike,
            results_each=self.results_each,
        )

    def folder(self, work: Path, rows: Rows) -> Path:
        """Return where the finished shards of ``rows`` are, below ``work``."""
        columns = {name: str(dtype) for name, dtype in pl.Schema(self.schema).items()}
        cut = {"shard_rows": self.shard_rows, "columns": columns, "format": FORMAT}
        return work / self.stage / fingerprint({**self.facts, **cut}, rows)


class Shards(AbstractContextManager["Shards"]):
    """What a stage makes of some rows: made shard by shard, then given in order, each from disk.

    In memory are the shards in flight, and at the end RESULTS_AT_ONCE rows. While the context lasts
    nobody prunes them, and an exception that stops it tells what is kept.

    Args:
        rows: The input; its order decides the shards.
        plan: How to cut, and what the results depend on.
        work: Folder of unfinished work, where finished shards are kept.
    """

    def __init__(self, rows: Rows, plan: Plan, *, work: Path) -> None:
        self.folder = plan.folder(work, rows)
        """Where they are."""
        self._plan = plan
        self._series = _Tables(self.folder, plan, rows)
        self._ending = ExitStack()

    def __enter__(self) -> "Shards":
        """Mark the folder as used, and say in it what it is for."""
        plan, rows, shards = self._plan, self._series.rows, self._series.paths
        size = {"rows": len(rows), "shards": len(shards), "shard_rows": plan.shard_rows}
        told = {**size, "facts": dict(plan.facts)}
        mark = used(self.folder, stage=plan.stage, made_with=plan.made_with, **told)
        self._ending.enter_context(mark)
        self._ending.enter_context(kept_when_stopped(self._series.kept))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        """Free the folder."""
        return self._ending.__exit__(kind, error, trace)

    def make(
        self,
        compute: Callable[[pl.DataFrame], pl.DataFrame],
        *,
        progress: Progress,
        engine: Engine | None = None,
    ) -> None:
        """Make the shards that are not there; whoever made the others.

        Args:
            compute: Turns a batch of rows into their results, in the order of the rows. For an
                engine that works elsewhere it must be something that can be sent there. It is
                forgotten at the end, with the model that it may hold.
            progress: Opens the progress bar.
            engine: What makes them; None is this process.

        Raises:
            PipelineError: When the disk is too small or refuses a write; finished shards stay.
        """
        plan, series = self._plan, self._series
        with progress(plan.stage, total=len(series.rows), unit="rows") as advance:
            series.advance = advance
            maker = plan.maker(compute)
            for _ in series.through(engine or LocalEngine(), maker, terms=plan.terms):
                pass  # its seal is checked; it is read again when its turn comes

    @property
    def rows_at_once(self) -> int:
        """Rows whose results are given together, fewer at the end: whole shards."""
        rows = self._plan.shard_rows
        return rows * max(1, RESULTS_AT_ONCE // (rows * self._plan.results_each))

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield all results in the order of the rows, some shards at a time, after :meth:`make`.

        How many follows from the plan alone: other shards of the same rows come in equal parts.

        Raises:
            PipelineError: When one is gone, or no longer as it was written.
        """
        at_once = self.rows_at_once // self._plan.shard_rows
        numbers = range(len(self._series.paths))
        for start in numbers[::at_once]:
            yield pl.concat(map(self._series.read, numbers[start : start + at_once]))


class _Tables(Series[pl.DataFrame]):
    """Shards that are Parquet files of a plan's schema."""

    def __init__(self, folder: Path, plan: Plan, rows: Rows) -> None:
        stage, shard_rows = plan.stage, plan.shard_rows
        super().__init__(folder, stage=stage, rows=rows, shard_rows=shard_rows, suffix=".parquet")
        self._plan = plan

    @property
    def output(self) -> Path | None:
        """Where the whole table will go."""
        return self._plan.output

    def results(self, number: int) -> int:
        """Return the rows of the shard's table."""
        return self.count(number) * self._plan.results_each

    @property
    def expected(self) -> float:
        """A guess from the rows that go in."""
        return RESULT_PER_INPUT * self._plan.results_each * self.rows.size

    def opened(self, number: int, data: bytes) -> pl.DataFrame:
        """Return the table; it must have the plan's columns and as many rows as were asked for."""
        table = read_parquet(io.BytesIO(data)).select(self._plan.schema.keys())
        if table.schema != pl.Schema(self._plan.schema) or len(table) != self.results(number):
            message = "another table"
            raise ValueError(message)
        return table


@dataclass(frozen=True, kw_only=True)
class TableMaker:
    """Makes shards by computing their rows in batches; see :class:`Plan` for the fields."""

    compute: Callable[[pl.DataFrame], pl.DataFrame]
    columns: Sequence[str]
    batch_rows: int
    alike: str
    results_each: int

    def __call__(self, order: Order, advance: Callable[[int], None]) -> bytes:
        """Return the results of the order's rows as Parquet, with a blank seal."""
        result = self.computed(order.rows, advance).select(self.columns)
        buffer = io.BytesIO()
        result.write_parquet(buffer, metadata={SEAL: blank_seal(order.label)})
        return buffer.getvalue()

    def computed(self, rows: pl.DataFrame, advance: Callable[[int], None]) -> pl.DataFrame:
        """Return the results of ``rows`` in their order, computed from the longest row down.

        Rows of like length waste little on padding and tend to end together; and what is too long
        for the memory shows at once.
        """
        lengths = rows[self.alike].str.len_chars().to_numpy()
        order = np.argsort(-lengths.astype(np.int64), kind="stable")
        results = []
        for start, stop in _cuts(lengths[order].tolist(), self.batch_rows):
            batch = rows[order[start:stop]]
            results.append(self.compute(batch))
            advance(len(batch))
        firsts = np.argsort(order) * self.results_each
        places = firsts[:, None] + np.arange(self.results_each)
        return pl.concat(results)[places.ravel()]


def _cuts(lengths: Sequence[int], batch_rows: int) -> Iterator[tuple[int, int]]:
    """Cut rows that lie from the longest down, fewer at a time where they are uncommonly long.

    >>> list(_cuts([4000, 700, 300, 20], batch_rows=4))
    [(0, 1), (1, 3), (3, 4)]
    """
    start = 0
    while start < len(lengths):
        uncommon = lengths[start] / COMMON_CHARACTERS
        stop = min(start + max(1, int(batch_rows / max(1, uncommon))), len(lengths))
        yield start, stop
        start = stop
