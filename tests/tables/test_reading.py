from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.tables.reading import read_table, rows_at, table_batches
from stages.tables.schemas import SENTENCES

TABLE = pl.DataFrame({"id": ["a"], "sentence": ["Hello."], "line": [1]}, schema=SENTENCES)
ROWS = pl.DataFrame(
    {"id": [f"{n:x}" for n in range(50)], "sentence": [None, "One."] * 25, "line": range(50)},
    schema=SENTENCES,
)


@given(st.lists(st.integers(0, 49)))
def test_rows_are_read_by_their_numbers(
    tmp_path_factory: pytest.TempPathFactory, rows: list[int]
) -> None:
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    ROWS.write_parquet(path, row_group_size=9)
    found = rows_at(path, SENTENCES, rows, columns=["id", "line"])
    assert found.equals(ROWS.select("id", "line")[sorted(set(rows))])


def test_a_table_that_is_damaged_in_the_middle_is_told_when_it_is_reached(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    ROWS.write_parquet(path, row_group_size=25, compression="uncompressed")
    whole = path.read_bytes()
    torn = whole.replace(b"\x02\0\0\x0031", b"\x02\0\0\0\xff\xff")  # the last id, with its length
    assert torn != whole
    path.write_bytes(torn)
    batches = table_batches(path, SENTENCES, rows=25)
    assert len(next(batches)) == 25
    with pytest.raises(PipelineError, match=r"t\.parquet cannot be read as Parquet"):
        list(batches)


def test_a_missing_table_says_which_and_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"sentences\.parquet does not exist(.|\n)*dvc repro"):
        read_table(tmp_path / "sentences.parquet", SENTENCES)


def test_what_is_not_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_text("not parquet")
    with pytest.raises(PipelineError, match="cannot be read as Parquet"):
        read_table(tmp_path / "t.parquet", SENTENCES)


def test_other_columns_are_named(tmp_path: Path) -> None:
    table = TABLE.drop("line").with_columns(id=pl.lit(1))
    table.write_parquet(tmp_path / "t.parquet")
    with pytest.raises(PipelineError, match="id is Int32, not String; line is missing"):
        read_table(tmp_path / "t.parquet", SENTENCES)
