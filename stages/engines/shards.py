"""Durable shards: work is cut up front, each piece is kept once done, and a rerun goes on.

A shard is written whole or not at all to ``<work>/<stage>/<fingerprint>/``. The fingerprint covers
everything that shapes the answer, so a changed setting never meets an old shard; a seal in each
shard tells the one that was torn, changed or put in another's place. Several processes may work in
one folder: each takes the next shard that nobody is at, and all end with the whole table.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

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
from stages.tables.schemas import Schema

COMMON_CHARACTERS = 400
"""Longer texts are computed fewer at a time, so that a batch never needs much more memory."""
RESULT_PER_INPUT = 3
"""Bytes of a result per byte of its row, before a shard is there to weigh: a table on disk is
compressed, and answers are about as long as what they answer."""
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

    def folder(self, work: Path, table: pl.DataFrame) -> Path:
        """Return where the finished shards of ``table`` are, below ``work``."""
        columns = {name: str(dtype()) for name, dtype in self.schema.items()}
        cut = {"shard_rows": self.shard_rows, "columns": columns, "format": FORMAT}
        return work / self.stage / fingerprint({**self.facts, **cut}, table)


def run_in_shards(
    table: pl.DataFrame,
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    plan: Plan,
    *,
    work: Path,
    progress: Progress,
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Apply ``compute`` to batches of ``table`` and return the results in order.

    Args:
        table: The input; its order decides the shards.
        compute: Turns a batch of rows into their results, in the order of the rows. For an engine
            that works elsewhere it must be something that can be sent there.
        plan: How to cut, and what the results depend on.
        work: Folder of unfinished work, where finished shards are kept.
        progress: Opens the progress bar.
        engine: What makes the shards that are missing; None is this process.

    Returns:
        The results of all shards, by whichever process they were computed.

    Raises:
        PipelineError: When the disk is too small or refuses a write; finished shards stay.
    """
    folder = plan.folder(work, table)
    series = _Tables(folder, plan, list(table.iter_slices(plan.shard_rows)))
    size = {"rows": len(table), "shards": len(series.inputs), "shard_rows": plan.shard_rows}
    with (
        used(folder, stage=plan.stage, made_with=plan.made_with, **size, facts=dict(plan.facts)),
        progress(plan.stage, total=len(table), unit="rows") as advance,
        kept_when_stopped(series.kept),
    ):
        series.advance = advance
        done = dict(series.through(engine or LocalEngine(), plan.maker(compute), terms=plan.terms))
    if not done:
        return pl.DataFrame(schema=plan.schema)
    return pl.concat([done[number] for number in range(len(done))])


class _Tables(Series[pl.DataFrame]):
    """Shards that are Parquet files of a plan's schema."""

    def __init__(self, folder: Path, plan: Plan, inputs: Sequence[pl.DataFrame]) -> None:
        super().__init__(folder, stage=plan.stage, inputs=inputs, suffix=".parquet")
        self._plan = plan

    @property
    def output(self) -> Path | None:
        """Where the whole table will go."""
        return self._plan.output

    def results(self, number: int) -> int:
        """Return the rows of the shard's table."""
        return len(self.inputs[number]) * self._plan.results_each

    def expected(self, number: int) -> float:
        """Return a guess from the rows that go in."""
        size = self.inputs[number].estimated_size()
        return RESULT_PER_INPUT * self._plan.results_each * size

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
