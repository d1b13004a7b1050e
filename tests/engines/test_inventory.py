"""What lies in the work folder is told as it is, and nothing in use is removed."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.engines.folders import IN_USE, MadeWith, digests_of, used
from stages.engines.inventory import Today, Work, inventory, remove
from stages.engines.locks import lock
from stages.progress import silent
from tests.engines.frames import run_in_shards
from tests.engines.test_shards import PLAN, TABLE, Squarer

SETTINGS: dict[str, object] = {"square.power": 2, "square.seed": 1}
HERE: dict[str, object] = {"device": "cpu", "torch": "2"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose one stage was stopped in its third shard."""
    (tmp_path / "n.txt").write_text("ten numbers")
    with pytest.raises(KeyboardInterrupt):
        square(tmp_path, Squarer(dies_at=8))
    return tmp_path


def square(project: Path, squarer: Squarer) -> None:
    digest = digests_of(project / "n.txt")[str(project / "n.txt")]
    made_with = MadeWith(
        settings=SETTINGS, files={"n.txt": digest}, code=["stages.errors"], surroundings=HERE
    )
    plan = replace(PLAN, made_with=made_with)
    run_in_shards(TABLE, squarer, plan, work=project / ".work", progress=silent)


def only(project: Path) -> Work:
    (piece,) = inventory(project / ".work")
    return piece


def today(project: Path, **changes: object) -> Today:
    return Today(project, {**SETTINGS, **changes}, lambda: HERE)


def test_it_tells_stage_time_size_and_what_is_finished_of_what_was_planned(project: Path) -> None:
    piece = only(project)
    assert (piece.stage, piece.finished, piece.shards, piece.rows) == ("square", 2, 3, (8, 10))
    assert piece.size == sum(f.stat().st_size for f in piece.path.iterdir())
    assert piece.made.tzinfo is not None
    square(project, Squarer())
    assert only(project).rows == (10, 10)


def test_the_same_project_goes_on_with_it(project: Path) -> None:
    assert today(project).difference(only(project)) is None


def test_the_first_thing_that_differs_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = only(project)
    changed = today(project, **{"square.power": 3})
    assert changed.difference(piece) == "square.power was 2"
    gone = Today(project, {"square.power": 2}, lambda: HERE)
    assert gone.difference(piece) == "square.seed is no setting any more"
    newer = Today(project, SETTINGS, lambda: {**HERE, "torch": "3"})
    assert newer.difference(piece) == "torch was 2"
    (project / "n.txt").write_text("eleven numbers")
    assert today(project).difference(piece) == "n.txt has changed"
    (project / "n.txt").unlink()
    assert today(project).difference(piece) == "n.txt is not here"
    code = {"modules": ["stages.errors"], "sha256": "another"}
    old = replace(piece, plan={**piece.plan, "code": code})
    assert today(project).difference(old) == "the code has changed"
    assert today(project).difference(replace(piece, plan={}, stage="train")) == (
        "made by an earlier version"
    )


def test_files_set_aside_and_folders_of_earlier_versions_are_listed(project: Path) -> None:
    first = only(project).path / "shard-000000.parquet"
    first.write_bytes(b"torn")
    square(project, Squarer())
    old = project / ".work/train/guide-1f.npy"
    old.parent.mkdir()
    old.write_bytes(b"1234")
    for name in ("inputs/1f/premises.tsv", "logs/one.log"):
        path = project / ".work/experiments" / name
        path.parent.mkdir(parents=True)
        path.write_text(name)
    found = inventory(project / ".work")
    told = [(p.stage, p.path.name, p.finished, p.set_aside) for p in found]
    assert sorted(told) == [
        ("experiments", "1f", 0, 0),
        ("experiments", "logs", 0, 0),
        ("square", first.parent.name, 3, 1),
        ("train", "guide-1f.npy", 0, 0),
    ]
    assert [p.size for p in found if p.stage == "train"] == [4]


def test_no_work_folder_holds_no_work(tmp_path: Path) -> None:
    assert inventory(tmp_path / ".work") == []


def test_what_is_in_use_is_told_and_stays(project: Path) -> None:
    path = only(project).path
    with used(path, stage="square", made_with=MadeWith()):
        piece = only(project)
        assert piece.in_use
        assert not remove(piece)
    assert path.exists()
    assert remove(only(project))
    assert list(path.parent.iterdir()) == []


def test_experiments_under_way_keep_their_logs(tmp_path: Path) -> None:
    for kind in ("inputs/1f", "logs"):
        (tmp_path / "experiments" / kind).mkdir(parents=True)
    with used(tmp_path / "experiments/inputs/1f", stage="experiments", made_with=MadeWith()):
        found = inventory(tmp_path)
        assert [piece.in_use for piece in found] == [True, True]
        assert [remove(piece) for piece in found] == [False, False]


def test_who_comes_while_a_folder_is_removed_begins_one_of_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    piece = only(project)
    with lock(piece.path / IN_USE) as mine:  # as remove does, for a moment
        assert mine
        piece.path.rename(piece.path.with_name(".removed"))
        square(project, squarer := Squarer())
    assert squarer.asked == pl.Series(range(10)).to_list()
