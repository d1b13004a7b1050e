"""Durable shards: work is cut up front, each piece is kept once done, and a rerun goes on.

A shard is written whole or not at all to ``<work>/<stage>/<fingerprint>/``. The fingerprint covers
everything that shapes the answer, so a changed setting never meets an old shard; a seal in each
shard tells the one that was torn, changed or put in another's place. Several processes may work in
one folder: each takes the next shard that nobody is at, and all end with the whole table.
"""

import contextlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from stages.engines.digests import fingerprint
from stages.engines.disk import require_space, require_space_for_output
from stages.engines.folders import MadeWith, used
from stages.engines.pieces import read_piece, set_aside, write_piece
from stages.engines.seals import blank_seal
from stages.engines.turns import alive, in_turns
from stages.progress import Progress, kept_when_stopped
from stages.tables import UNREADABLE, Schema, read_parquet

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
) -> pl.DataFrame:
    """Apply ``compute`` to batches of ``table`` and return the results in order.

    Args:
        table: The input; its order decides the shards.
        compute: Turns a batch of rows into their results, in the order of the rows.
        plan: How to cut, and what the results depend on.
        work: Folder of unfinished work, where finished shards are kept.
        progress: Opens the progress bar.

    Returns:
        The results of all shards, by whichever process they were computed.

    Raises:
        PipelineError: When the disk is too small or refuses a write; finished shards stay.
    """
    folder = plan.folder(work, table)
    shards = _Shards(folder, plan, list(table.iter_slices(plan.shard_rows)), compute)
    size = {"rows": len(table), "shards": len(shards.inputs), "shard_rows": plan.shard_rows}
    with used(folder, stage=plan.stage, made_with=plan.made_with, **size, facts=dict(plan.facts)):
        shards.weigh()
        shards.require_space()
        with (
            progress(plan.stage, total=len(table), unit="rows") as advance,
            kept_when_stopped(shards.kept),
        ):
            shards.advance = advance
            done = dict(in_turns(shards.paths, find=shards.find, make=shards.make))
    if not done:
        return pl.DataFrame(schema=plan.schema)
    return pl.concat([done[number] for number in range(len(done))])


class _Shards:
    """The shards of one table in one folder.

    Args:
        folder: Where they are.
        plan: How they are cut, and what they depend on.
        inputs: The rows of each.
        compute: See :func:`run_in_shards`.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        inputs: Sequence[pl.DataFrame],
        compute: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> None:
        self.inputs = inputs
        self.paths = [folder / f"shard-{number:06d}.parquet" for number in range(len(inputs))]
        self.advance: Callable[[int], None] = lambda _done: None
        self._folder = folder
        self._plan = plan
        self._compute = compute
        self._weights: dict[int, int] = {}

    def find(self, number: int, *, mine: bool) -> pl.DataFrame | None:
        """Return the finished shard, None where there is none that can be trusted."""
        path = self.paths[number]
        data = read_piece(path, self._label(number), mine=mine)
        if data is None:
            return None
        try:
            result = read_parquet(io.BytesIO(data)).select(self._plan.schema.keys())
        except UNREADABLE:
            result = pl.DataFrame()
        rows = len(self.inputs[number]) * self._plan.results_each
        if result.schema != pl.Schema(self._plan.schema) or len(result) != rows:
            # Sealed by us and yet not such a table: whatever it is, it is not trusted.
            if mine:
                set_aside(path, "damaged")
            return None
        self._weights[number] = len(data)
        self.advance(len(self.inputs[number]))
        return result

    def make(self, number: int) -> pl.DataFrame:
        """Compute the shard and keep it."""
        path = self.paths[number]

        def advance(rows: int) -> None:
            alive(path)
            self.advance(rows)

        result = _computed(self.inputs[number], self._compute, self._plan, advance)
        result = result.select(self._plan.schema.keys())
        buffer = io.BytesIO()
        result.write_parquet(buffer, metadata={SEAL: blank_seal(self._label(number))})
        write_piece(buffer.getvalue(), path)
        self._weights[number] = len(buffer.getvalue())
        self.require_space()
        return result

    def kept(self) -> str:
        """Say how much of the work is done."""
        done = sum(path.exists() for path in self.paths)
        return f"{self._plan.stage}: {done} of {len(self.paths)} shards, in {self._folder}"

    def weigh(self) -> None:
        """Note what the shards weigh that are there."""
        for number, path in enumerate(self.paths):
            with contextlib.suppress(FileNotFoundError):
                self._weights[number] = path.stat().st_size

    def require_space(self) -> None:
        """Check that there is room for the shards that are not there yet, and for the output.

        Raises:
            PipelineError: When there is not.
        """
        left = len(self.paths) - len(self._weights)
        if not left:
            return
        known = self._weights.values()
        shard = sum(known) / len(known) if known else self._expected()
        purpose = f"{left} of {len(self.paths)} shards of {self._plan.stage}"
        if self._plan.output is None:
            require_space(self._folder, left * shard, purpose=purpose)
        else:
            whole = len(self.paths) * shard
            output = self._plan.output.parent
            require_space_for_output(
                self._folder, output, left * shard, whole=whole, purpose=purpose
            )

    def _expected(self) -> float:
        rows = sum(shard.estimated_size() for shard in self.inputs) / len(self.inputs)
        return RESULT_PER_INPUT * self._plan.results_each * rows

    def _label(self, number: int) -> str:
        rows = len(self.inputs[number]) * self._plan.results_each
        return f"{self._plan.stage} {self._folder.name} shard {number} rows {rows}"


def _computed(
    shard: pl.DataFrame,
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    plan: Plan,
    advance: Callable[[int], None],
) -> pl.DataFrame:
    """Return the results of ``shard`` in its order, computed from the longest row down.

    Rows of like length waste little on padding and tend to end together; and what is too long for
    the memory shows at once.
    """
    lengths = shard[plan.alike].str.len_chars().to_numpy()
    order = np.argsort(-lengths.astype(np.int64), kind="stable")
    results = []
    for start, stop in _cuts(lengths[order].tolist(), plan.batch_rows):
        batch = shard[order[start:stop]]
        results.append(compute(batch))
        advance(len(batch))
    firsts = np.argsort(order) * plan.results_each
    places = firsts[:, None] + np.arange(plan.results_each)
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
