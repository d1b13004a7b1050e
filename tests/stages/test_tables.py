from pathlib import Path

import polars as pl
import pytest

from stages.errors import PipelineError
from stages.tables import SENTENCES, read_json, read_table, replacing, write_json, write_table

TABLE = pl.DataFrame({"id": ["a"], "sentence": ["Hello."], "line": [1]}, schema=SENTENCES)


def test_a_written_table_reads_back_equal(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path / "new/folder/t.parquet")
    assert read_table(tmp_path / "new/folder/t.parquet", SENTENCES).equals(TABLE)


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
