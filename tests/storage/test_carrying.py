"""Finished shards by way of a folder that both machines see, and what is said of it."""

from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.storage.carrying import Carried, pull, push

SHARDS = [f"{stage}/0123456789abcdef/shard-000000.parquet" for stage in ("generate", "score")]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A work folder with two finished shards, one half written, and answers of a server."""
    folder = tmp_path / "here"
    others = [f"{SHARDS[0]}.damaged-1", ".shard.tmp", "answers/0123456789abcdef/paid.sqlite"]
    for name in (*SHARDS, *others):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def test_finished_shards_arrive_as_they_were_and_nothing_else(here: Path, tmp_path: Path) -> None:
    address = (tmp_path / "store").as_uri()
    assert push(here, address) == Carried(copied=2, there=0)
    assert pull(address, tmp_path / "there") == Carried(copied=2, there=0)
    arrived = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "there").as_posix() for path in arrived} == set(SHARDS)
    assert all((tmp_path / "there" / name).read_bytes() == name.encode() for name in SHARDS)
    assert pull(address, tmp_path / "there") == Carried(copied=0, there=2)
    assert push(here, address) == Carried(copied=0, there=2)


def test_a_copy_that_was_cut_short_is_not_taken_for_a_shard(here: Path, tmp_path: Path) -> None:
    part = tmp_path / "store" / f"{SHARDS[0]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    with pytest.raises(PipelineError, match="holds no finished shards"):
        pull(part.parents[2].as_uri(), tmp_path / "there")
    assert push(here, part.parents[2].as_uri()).copied == 2


def test_a_file_too_large_for_a_shard_is_refused(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = (tmp_path / "store").as_uri()
    push(here, address)
    monkeypatch.setattr("stages.storage.carrying.LARGEST_SHARD", 3)
    with pytest.raises(PipelineError, match="which no shard has"):
        pull(address, tmp_path / "there")


def test_a_folder_without_shards_is_told(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"holds no finished shards(.|\n)*--work"):
        push(tmp_path, (tmp_path / "store").as_uri())
