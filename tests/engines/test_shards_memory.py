"""What is in memory while shards are made and put together does not grow with their number."""

from pathlib import Path

import polars as pl
import pytest

from stages.tables.writing import writing_table
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.slow

SCHEMA = {"id": pl.Int64, "text": pl.String}
FEW, MANY = 16_384, 65_536
LENGTH = 2_000
"""Characters of a text: the results of MANY rows have 260 MB."""
COPY = """
import sys
from pathlib import Path
import polars as pl
from stages.engines.shards import Plan, Shards
from stages.progress import silent
from stages.tables import reading, writing
from stages.tables.rows import rows_of

reading.BATCH_ROWS = writing.BATCH_ROWS = 4_096
folder = Path(sys.argv[1])
schema = {"id": pl.Int64, "text": pl.String, "copy": pl.String}
plan = Plan(stage="copy", facts={}, schema=schema, shard_rows=512, batch_rows=512, alike="text")
with rows_of(folder / "in.parquet", {"id": pl.Int64, "text": pl.String}) as rows:
    with Shards(rows, plan, work=folder / "work") as shards:
        shards.make(lambda batch: batch.with_columns(copy="text"), progress=silent)
        with writing.writing_table(folder / "out.parquet", schema) as writer:
            for part in shards:
                writer.write(part)
"""


def write_input(path: Path, rows: int) -> None:
    with writing_table(path, SCHEMA) as writer:
        for start in range(0, rows, 1024):
            numbers = range(start, start + 1024)
            texts = [f"{n:08d} " * (LENGTH // 9) for n in numbers]
            writer.write(pl.DataFrame({"id": numbers, "text": texts}, schema=SCHEMA))


def test_sixteen_times_the_rows_take_hardly_more_memory(tmp_path: Path) -> None:
    peaks = []
    for rows in (FEW, MANY):
        folder = tmp_path / str(rows)
        write_input(folder / "in.parquet", rows)
        peaks.append(peak_mib(COPY, str(folder)))
        out = pl.scan_parquet(folder / "out.parquet")
        assert out.select(pl.len()).collect().item() == rows
        assert out.select((pl.col("text") == pl.col("copy")).all()).collect().item()
    assert peaks[1] - peaks[0] < 100
