from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages import tables
from stages.errors import PipelineError
from stages.tables import (
    SENTENCES,
    read_json,
    read_table,
    replacing,
    rows_at,
    spreadsheet_cell,
    table_batches,
    text_of_cell,
    write_json,
    write_table,
    writing_table,
)

TABLE = pl.DataFrame({"id": ["a"], "sentence": ["Hello."], "line": [1]}, schema=SENTENCES)


def test_a_written_table_reads_back_equal(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "new/folder/t.parquet")
    assert read_table(tmp_path / "new/folder/t.parquet", SENTENCES).equals(TABLE)


ROWS = pl.DataFrame(
    {"id": [f"{n:x}" for n in range(50)], "sentence": [None, "One."] * 25, "line": range(50)},
    schema=SENTENCES,
)


@pytest.mark.slow
@given(st.lists(st.integers(0, 20), max_size=9), st.integers(1, 60))
def test_rows_that_come_some_at_a_time_give_the_bytes_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    cuts = sorted({0, len(ROWS), *(min(sum(parts[:n]), len(ROWS)) for n in range(len(parts)))})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "BATCH_ROWS", batch)
        with writing_table(folder / "parts.parquet", SENTENCES) as writer:
            for start, stop in pairwise(cuts):
                writer.write(ROWS[start:stop])
        write_table(ROWS, folder / "whole.parquet")
    assert (folder / "parts.parquet").read_bytes() == (folder / "whole.parquet").read_bytes()
    read = list(table_batches(folder / "parts.parquet", SENTENCES, rows=7))
    assert max(map(len, read)) <= 7
    assert pl.concat(read).equals(ROWS)


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


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    write_json({"old": 1}, tmp_path / "x.json")
    with pytest.raises(PipelineError, match="untouched"):
        _write_until_the_disk_is_full(tmp_path / "x.json")
    assert read_json(tmp_path / "x.json") == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def _write_until_the_disk_is_full(path: Path) -> None:
    with replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError(28, "No space left on device")


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


def test_a_number_that_is_none_never_reaches_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json({"x": float("nan")}, tmp_path / "x.json")
    assert not list(tmp_path.iterdir())


def test_what_a_killed_process_left_half_written_is_removed_and_what_is_being_written_is_not(
    tmp_path: Path,
) -> None:
    (tmp_path / ".x.json.abandoned.tmp").write_text("half")
    (tmp_path / ".y.json.abandoned.tmp").write_text("another file's")
    with replacing(tmp_path / "x.json") as first:
        first.write_text("first")
        write_json({"second": 2}, tmp_path / "x.json")
        assert first.exists()
    assert (tmp_path / "x.json").read_text() == "first"
    assert {p.name for p in tmp_path.iterdir()} == {"x.json", ".y.json.abandoned.tmp"}


@given(st.text())
def test_a_cell_for_people_is_never_run_and_can_be_read_back(text: str) -> None:
    cell = spreadsheet_cell(text)
    assert not set(cell) & set("\t\r\n\v\f")
    if cell.lstrip(' "')[:1] in set("=+-@"):
        float(cell)  # only numbers begin so
    if not set(text) & set("\t\r\n\v\f"):
        assert text_of_cell(cell) == text
