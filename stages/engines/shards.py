"""Durable shards: work is cut up front, each piece is kept once done, and a rerun goes on.

A shard is written whole or not at all to ``<work>/<stage>/<fingerprint>/``. The fingerprint covers
everything that shapes the answer, so a changed setting never meets an old shard.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.errors import PipelineError
from stages.progress import Progress
from stages.tables import Schema, read_table, write_table

log = logging.getLogger(__name__)

COMMON_CHARACTERS = 400
"""Longer texts are computed fewer at a time, so that a batch never needs much more memory."""


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

    def folder(self, work: Path, table: pl.DataFrame) -> Path:
        """Return where the finished shards of ``table`` are, below ``work``."""
        facts = {**self.facts, "shard_rows": self.shard_rows}
        return work / self.stage / fingerprint(facts, table)


def fingerprint(facts: Mapping[str, object], table: pl.DataFrame) -> str:
    """Return 16 hexadecimal digits that change with ``facts`` (JSON values) and the input rows."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    digest.update(table.hash_rows(seed=0).to_numpy().tobytes())
    return digest.hexdigest()[:16]


def source_digest(*modules: str) -> str:
    """Return a hash of the source code of ``modules`` (dotted names): code that shapes answers."""
    from importlib.util import find_spec

    digest = hashlib.sha256()
    for module in sorted(modules):
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            message = f"no module {module}"
            raise ValueError(message)
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


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
        The results of all shards.
    """
    folder = plan.folder(work, table)
    done: list[pl.DataFrame] = []
    with progress(plan.stage, total=len(table), unit="rows") as advance:
        for number, shard in enumerate(table.iter_slices(plan.shard_rows)):
            path = folder / f"shard-{number:06d}.parquet"
            result = _finished(path, plan.schema, rows=len(shard) * plan.results_each)
            if result is None:
                result = _computed(shard, compute, plan, advance)
                write_table(result.select(plan.schema.keys()), path)
            else:
                advance(len(shard))
            done.append(result)
    return pl.concat(done) if done else pl.DataFrame(schema=plan.schema)


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


def _finished(path: Path, schema: Schema, *, rows: int) -> pl.DataFrame | None:
    """Return the shard at ``path`` if it is there and whole."""
    if not path.exists():
        return None
    try:
        shard = read_table(path, schema)
    except PipelineError:
        log.warning("%s is damaged and is computed again", path)
        return None
    return shard if len(shard) == rows else None
