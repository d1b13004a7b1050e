"""Too small a disk is told before work begins, and a full one loses nothing."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest

from stages.engines.disk import require_space, require_space_for_output
from stages.errors import PipelineError


class Disk(NamedTuple):
    free: int


def test_room_that_is_there_is_enough_also_where_the_folder_is_yet_to_be(tmp_path: Path) -> None:
    require_space(tmp_path / "new/folder", 1, purpose="a test")


def test_need_have_and_place_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(free=3 * 2**20))
    wanted = r"too small for a test: about 11\.0 MiB are needed in .*, 3\.0 MiB are free\."
    with pytest.raises(PipelineError, match=wanted):
        require_space(tmp_path, 10 * 2**20, purpose="a test")


def test_a_table_in_the_same_place_needs_room_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(free=1000))
    require_space(tmp_path, 800, purpose="a test")
    with pytest.raises(PipelineError, match="a test and their table"):
        require_space_for_output(tmp_path, tmp_path, 800, whole=800, purpose="a test")
