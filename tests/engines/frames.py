"""Shards of a frame, and their results as one frame."""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from stages.engines.protocol import Engine
from stages.engines.shards import Plan, Shards
from stages.progress import Progress
from stages.tables.rows import RowsInMemory


def run_in_shards(
    table: pl.DataFrame,
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    plan: Plan,
    *,
    work: Path,
    progress: Progress,
    engine: Engine | None = None,
) -> pl.DataFrame:
    """Apply ``compute`` to batches of ``table`` and return the results in order."""
    with Shards(RowsInMemory(table), plan, work=work) as shards:
        shards.make(compute, progress=progress, engine=engine)
        parts = list(shards)
    return pl.concat(parts) if parts else pl.DataFrame(schema=plan.schema)
