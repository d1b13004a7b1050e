"""Every single call that changes a file: killed there, torn there, refused there.

The steps are counted by a layer below Python and below the libraries (file_layer.c), so what
polars, safetensors and torch write is broken like everything else.
"""

import errno
import random
import re
from collections.abc import Sequence

import pytest

from tests.faults.conftest import Figure, tries
from tests.faults.file_layer import Fault
from tests.faults.projects import OUTPUTS, SHARD_ROWS, Project
from tests.faults.runner import KILLED, Runner, asked, count_steps, fresh, remove, said

pytestmark = pytest.mark.faults

MOST_STEPS = {"kill": 60, "tear": 20, "fail_from": 25, "fail_once": 25}
"""Where a stage has more, as training has, the first and the last of each kind are broken."""
NO_CRASH = (0, 2)
"""All is well, or something that the user can mend."""


@pytest.mark.parametrize("mode", ["kill", "tear"])
@pytest.mark.parametrize("verb", OUTPUTS)
def test_killed_at_any_step_the_rerun_ends_with_the_same_bytes(
    scripted: tuple[Runner, Project], verb: str, mode: str, figure: Figure
) -> None:
    runner, unbroken = scripted
    lines = traced(runner, unbroken, verb)
    expected = unbroken.outputs(verb)
    steps = chosen(lines, mode)
    for step in steps:
        project = fresh(unbroken, verb)
        ended = runner.verb(project, verb, name="broken", fault=Fault(mode, step))
        assert ended.code == KILLED, (lines[step - 1], said(project))
        ended = runner.verb(project, verb, name="again")
        assert ended.code == 0, (lines[step - 1], said(project))
        assert project.outputs(verb) == expected, lines[step - 1]
        assert asked_twice(project) <= 2 * SHARD_ROWS  # two requests, or two pairs, a row
        remove(project)
    words = "killed before the call" if mode == "kill" else "killed in the middle of the write"
    about = f"{words}; {len(lines)} calls of {verb} change a file, scripted model"
    figure(f"write_steps.{verb}.{mode}", len(steps), unit="kills", about=about)


@pytest.mark.parametrize(
    ("mode", "error"),
    [("fail_from", errno.ENOSPC), ("fail_once", errno.ENOSPC), ("fail_once", errno.EIO)],
    ids=["disk full", "full for a moment", "disk fails once"],
)
@pytest.mark.parametrize("verb", OUTPUTS)
def test_a_disk_that_fails_at_any_step_leaves_everything_whole(
    scripted: tuple[Runner, Project], verb: str, mode: str, error: int, figure: Figure
) -> None:
    runner, unbroken = scripted
    lines = traced(runner, unbroken, verb)
    expected = unbroken.outputs(verb)
    steps = chosen(lines, mode)
    for step in steps:
        project = fresh(unbroken, verb)
        ended = runner.verb(project, verb, name="broken", fault=Fault(mode, step, error))
        assert ended.code in NO_CRASH, (lines[step - 1], said(project))
        if ended.code:
            assert "error: " in said(project)
        assert "Traceback" not in said(project)
        for name, content in project.existing(verb).items():
            assert name in expected, lines[step - 1]
            assert content == expected[name], lines[step - 1]
        ended = runner.verb(project, verb, name="again")
        assert ended.code == 0, (lines[step - 1], said(project))
        assert project.outputs(verb) == expected, lines[step - 1]
        assert asked_twice(project) <= 2 * SHARD_ROWS
        remove(project)
    kind = f"{mode}.{errno.errorcode[error]}"
    about = f"calls of {verb} that were refused, scripted model; every rerun ended with equal bytes"
    figure(f"write_steps.{verb}.{kind}", len(steps), unit="failures", about=about)


@pytest.mark.parametrize("verb", OUTPUTS)
def test_reads_and_writes_that_do_only_a_part_change_nothing(
    scripted: tuple[Runner, Project], verb: str
) -> None:
    runner, unbroken = scripted
    project = fresh(unbroken, verb)
    for name in ("first", "again"):
        ended = runner.verb(project, verb, name=name, fault=Fault("short"))
        assert ended.code == 0, said(project)
        assert project.outputs(verb) == unbroken.outputs(verb)
    assert not asked_twice(project)
    remove(project)


def traced(runner: Runner, unbroken: Project, verb: str) -> list[str]:
    """Return the steps of ``verb`` in a project of its own."""
    project = fresh(unbroken, verb)
    lines = count_steps(runner, project, verb)
    remove(project)
    return lines


def chosen(lines: Sequence[str], mode: str) -> list[int]:
    """Return which steps, from 1, are broken: all, or the first and last of every kind."""
    can_be = [n for n, line in enumerate(lines, 1) if mode != "tear" or line.startswith("write ")]
    most = tries(MOST_STEPS[mode], short=1)
    if len(can_be) <= most:
        return can_be
    ends: dict[str, tuple[int, int]] = {}
    for number in can_be:
        kind = re.sub(r"[0-9a-f]{16}|[0-9]+|\.[a-z0-9_]{8}\b", "#", lines[number - 1])
        ends[kind] = (ends.get(kind, (number, 0))[0], number)
    both = sorted({number for first_and_last in ends.values() for number in first_and_last})
    return random.Random(mode).sample(both, min(most, len(both)))


def asked_twice(project: Project) -> int:
    """Return how many requests or pairs both runs have asked."""
    first, second = (
        {row for name, row in asked(project) if name in names}
        for names in (("broken", "first"), ("again",))
    )
    return len(first & second)
