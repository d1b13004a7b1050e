from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.tables.json_files import read_json, write_json
from stages.tables.replacing import replacing


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
