"""Rows are the same wherever they are, and few of a file are in memory."""

import os
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.engines.digests import fingerprint
from stages.errors import PipelineError
from stages.tables.rows import RowsInMemory, rows_of
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table

ROWS = pl.DataFrame(
    {"id": [f"{n:x}" for n in range(50)], "sentence": [None, "Two.", "\n"] * 16 + ["a", "b"]},
).with_columns(line=pl.int_range(50))


@given(
    st.lists(st.tuples(st.integers(0, 55), st.integers(1, 30)), max_size=8),
    st.integers(1, 60),
    st.integers(1, 60),
)
def test_any_part_is_that_of_the_whole_in_any_order(
    tmp_path_factory: pytest.TempPathFactory,
    parts: list[tuple[int, int]],
    group_rows: int,
    batch_rows: int,
) -> None:
    path = tmp_path_factory.mktemp("rows") / "t.parquet"
    ROWS.write_parquet(path, row_group_size=group_rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stages.tables.reading.BATCH_ROWS", batch_rows)
        with rows_of(path, SENTENCES) as rows:
            assert len(rows) == len(ROWS)
            for start, count in parts:
                assert rows.part(start, count).equals(ROWS.slice(start, count))
            assert pl.concat(rows.parts(9)).equals(ROWS)


def test_the_digest_says_nothing_of_where_the_rows_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ROWS.write_parquet(tmp_path / "t.parquet", row_group_size=7)
    monkeypatch.setattr("stages.tables.rows.DIGEST_ROWS", 4)
    monkeypatch.setattr("stages.tables.reading.BATCH_ROWS", 10)
    with rows_of(tmp_path / "t.parquet", SENTENCES) as rows:
        assert rows.digest == RowsInMemory(ROWS).digest
        assert fingerprint({"a": 1}, rows) == fingerprint({"a": 1}, ROWS)
        assert rows.digest != RowsInMemory(ROWS.reverse()).digest
        assert rows.digest != RowsInMemory(ROWS.rename({"line": "place"})).digest


def test_of_a_table_without_rows_there_is_no_part(tmp_path: Path) -> None:
    write_table(ROWS.clear(), tmp_path / "t.parquet")
    with rows_of(tmp_path / "t.parquet", SENTENCES) as rows:
        assert (len(rows), list(rows.parts(4))) == (0, [])
        assert rows.part(0, 4).equals(ROWS.clear())
        assert rows.digest == RowsInMemory(ROWS.clear()).digest


def test_only_the_columns_of_the_schema_are_given_in_its_order(tmp_path: Path) -> None:
    ROWS.select("line", "sentence", "id", more=1).write_parquet(tmp_path / "t.parquet")
    with rows_of(tmp_path / "t.parquet", SENTENCES) as rows:
        assert rows.part(3, 2).equals(ROWS[3:5])


@pytest.fixture(name="path")
def a_file_of_small_row_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("stages.tables.reading.BATCH_ROWS", 5)
    path = tmp_path / "t.parquet"
    ROWS.write_parquet(path, row_group_size=5)
    return path


def test_a_file_that_takes_the_place_of_the_other_is_not_mixed_with_it(path: Path) -> None:
    with rows_of(path, SENTENCES) as rows:
        rows.part(0, 5)
        write_table(ROWS.reverse(), path)
        assert rows.part(20, 5).equals(ROWS[20:25])
        path.unlink()
        assert rows.part(40, 5).equals(ROWS[40:45])


def test_a_file_that_is_changed_while_it_is_read_is_told(path: Path) -> None:
    with rows_of(path, SENTENCES) as rows:
        rows.part(0, 5)
        os.utime(path, (1, 1))
        with pytest.raises(PipelineError, match="was changed while it was read"):
            rows.part(20, 5)


def test_other_columns_and_files_are_refused(tmp_path: Path) -> None:
    ROWS.drop("line").write_parquet(tmp_path / "t.parquet")
    (tmp_path / "no.parquet").write_text("not parquet")
    for name, told in (
        ("t.parquet", "line is missing"),
        ("no.parquet", "cannot be read as Parquet"),
        ("none.parquet", "does not exist"),
    ):
        with pytest.raises(PipelineError, match=told), rows_of(tmp_path / name, SENTENCES):
            pass
