from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.tables import writing
from stages.tables.reading import read_table, table_batches
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table, writing_table

ROWS = pl.DataFrame(
    {"id": [f"{n:x}" for n in range(50)], "sentence": [None, "One."] * 25, "line": range(50)},
    schema=SENTENCES,
)


def test_a_written_table_reads_back_equal(tmp_path: Path) -> None:
    write_table(ROWS, tmp_path / "new/folder/t.parquet")
    assert read_table(tmp_path / "new/folder/t.parquet", SENTENCES).equals(ROWS)


@pytest.mark.slow
@given(st.lists(st.integers(0, 20), max_size=9), st.integers(1, 60))
def test_rows_that_come_some_at_a_time_give_the_bytes_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    cuts = sorted({0, len(ROWS), *(min(sum(parts[:n]), len(ROWS)) for n in range(len(parts)))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writing, "BATCH_ROWS", batch)
        with writing_table(folder / "parts.parquet", SENTENCES) as writer:
            for start, stop in pairwise(cuts):
                writer.write(ROWS[start:stop])
        write_table(ROWS, folder / "whole.parquet")
    assert (folder / "parts.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
    read = list(table_batches(folder / "parts.parquet", SENTENCES, rows=7))
    assert max(map(len, read)) <= 7
    assert pl.concat(read).equals(ROWS)


def test_long_texts_too_give_the_same_bytes_however_they_come(tmp_path: Path) -> None:
    """A page of a column has a mebibyte; where it ends must not depend on who wrote how much."""
    texts = [f"{n} {'words ' * 100}" for n in range(4000)]
    table = pl.DataFrame({"id": texts, "sentence": texts, "line": range(4000)}, schema=SENTENCES)
    write_table(table, tmp_path / "whole.parquet")
    with writing_table(tmp_path / "parts.parquet", SENTENCES) as writer:
        for part in table.iter_slices(700):
            writer.write(part)
    assert (tmp_path / "parts.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()
