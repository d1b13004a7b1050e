"""Several runs in one work folder, a small disk, and a clock that jumps."""

import os
import random
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Figure, tries
from tests.faults.projects import PREMISES, SHARD_ROWS, Project
from tests.faults.runner import KILLED, Runner, asked, fresh, job, remove, said

pytestmark = pytest.mark.faults

PACE = 0.1
"""Seconds a question takes, so that runs meet."""
YEAR = 365 * 24 * 3600.0
QUESTIONS_A_ROW = 2
SHARDED = ("generate", "score")


@pytest.mark.parametrize("verb", SHARDED)
def test_runs_in_one_folder_share_the_shards_and_all_end_with_the_whole(
    scripted: tuple[Runner, Project], verb: str, figure: Figure
) -> None:
    runner, unbroken = scripted
    project = fresh(unbroken, verb)
    names = ("one", "two", "three")
    ended = runner.run(*(job(project, verb, name=name, pace=PACE) for name in names))
    assert [one.code for one in ended] == [0, 0, 0], said(project)
    assert project.outputs(verb) == unbroken.outputs(verb)
    questions = Counter(row for _, row in asked(project))
    assert len(questions) == QUESTIONS_A_ROW * PREMISES
    assert set(questions.values()) == {1}
    assert len({name for name, _ in asked(project)}) > 1
    remove(project)
    about = f"{len(names)} runs of {verb} at once in one work folder, scripted model"
    figure(f"runners.{verb}.asked_twice", 0, unit="rows", about=about)


@pytest.mark.parametrize("verb", SHARDED)
def test_runs_that_are_killed_leave_their_shards_to_the_others(
    scripted: tuple[Runner, Project], verb: str, figure: Figure
) -> None:
    runner, unbroken = scripted
    dice = random.Random(f"runners of {verb}")
    kills = 0
    rounds = tries(20, short=1)
    for _ in range(rounds):
        project = fresh(unbroken, verb)
        doomed = [
            job(project, verb, name=f"doomed {n}", pace=PACE, kill_after=dice.uniform(0.05, 0.6))
            for n in range(2)
        ]
        ended = runner.run(job(project, verb, name="survivor", pace=PACE), *doomed)
        assert ended[0].code == 0, said(project)
        assert {one.code for one in ended[1:]} <= {0, KILLED}
        killed = sum(one.code == KILLED for one in ended)
        assert project.outputs(verb) == unbroken.outputs(verb)
        questions = Counter(row for _, row in asked(project))
        again = sum(count - 1 for count in questions.values())
        assert again <= killed * SHARD_ROWS * QUESTIONS_A_ROW
        kills += killed
        remove(project)
    about = f"in {rounds} rounds of three runs of {verb} in one folder; the third always ended well"
    figure(f"runners.{verb}.killed", kills, unit="kills", about=about)


@pytest.mark.parametrize("verb", SHARDED)
def test_a_clock_that_jumps_changes_nothing(scripted: tuple[Runner, Project], verb: str) -> None:
    runner, unbroken = scripted
    project = fresh(unbroken, verb)
    jumps = (0.0, YEAR, -10 * YEAR, 3600.0, -1.0)
    ended = runner.verb(project, verb, name="killed", pace=PACE, kill_after=0.4, clock=jumps)
    assert ended.code in {0, KILLED}
    for number, file in enumerate(sorted((project.root / ".work").rglob("*"))):
        os.utime(file, times=(YEAR * 130 * (number % 2),) * 2)  # 1970 and 2100 in turns
    ended = runner.verb(project, verb, name="again", pace=PACE, clock=jumps)
    assert ended.code == 0, said(project)
    assert project.outputs(verb) == unbroken.outputs(verb)
    counted = Counter(row for _, row in asked(project))
    assert sum(count - 1 for count in counted.values()) <= SHARD_ROWS * QUESTIONS_A_ROW
    remove(project)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of a few blocks, where this machine lets a test mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=20k", "tmpfs", str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small file system")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("verb", SHARDED)
def test_a_disk_that_fills_up_is_a_clear_error_and_what_is_finished_stays(
    scripted: tuple[Runner, Project], small_disk: Path, verb: str
) -> None:
    runner, unbroken = scripted
    project = fresh(unbroken, verb)
    (project.root / ".work").symlink_to(small_disk)
    ended = runner.verb(project, verb, name="full")
    assert ended.code == 2, said(project)
    assert "error: " in said(project)
    assert "disk" in said(project)
    assert not project.existing(verb)
    finished = {path: path.read_bytes() for path in small_disk.rglob("shard-*.parquet")}
    grown = ["mount", "-o", "remount,size=4m", str(small_disk)]
    subprocess.run(grown, check=True)
    ended = runner.verb(project, verb, name="again")
    assert ended.code == 0, said(project)
    assert project.outputs(verb) == unbroken.outputs(verb)
    assert all(path.read_bytes() == content for path, content in finished.items())
    done = {row for name, row in asked(project) if name == "full"}
    twice = done & {row for name, row in asked(project) if name == "again"}
    assert len(twice) <= SHARD_ROWS * QUESTIONS_A_ROW
    remove(project)
