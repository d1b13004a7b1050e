"""SIGKILL at any instant loses at most what was being written: counted on the real models.

200 kills of generate, score, train and report with the real SmolLM2 and MiniLM at random instants.
test_write_steps.py kills at every single call that changes a file.
"""

import io
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest

from tests.faults.conftest import Figure, tries
from tests.faults.projects import OUTPUTS, PREMISES, SHARD_ROWS, Project
from tests.faults.runner import KILLED, Runner, asked, fresh, remove, said

pytestmark = pytest.mark.faults

KILLS = {"generate": 70, "score": 60, "train": 40, "report": 30}
SHARDED = ("generate", "score")


@dataclass
class Tally:
    """What the kills of all stages came to."""

    kills: int = 0
    runs: int = 0
    files: int = 0
    bytes_differing: int = 0
    rows: int = 0
    rows_lost: int = 0
    rows_redone: int = 0
    kills_by_stage: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="module")
def tally() -> Tally:
    return Tally()


@pytest.fixture(scope="module")
def real(
    real_models: dict[str, Path], premises: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Runner, Project]]:
    """A warm runner with the real models, and a project that has been through without a break."""
    runner = Runner(models=[real_models["llm"]])
    project = Project(tmp_path_factory.mktemp("real") / "unbroken", real_models)
    project.make(sorted(premises, key=len)[:PREMISES])
    for verb in OUTPUTS:
        ended = runner.verb(project, verb, name=verb)
        assert ended.code == 0, said(project)
    yield runner, project
    runner.close()
    shutil.rmtree(project.root.parent)


@pytest.mark.parametrize("verb", OUTPUTS)
def test_killed_at_random_instants_every_rerun_ends_with_the_same_bytes(
    real: tuple[Runner, Project], verb: str, tally: Tally
) -> None:
    runner, unbroken = real
    dice = random.Random(f"instants of {verb}")
    expected = unbroken.outputs(verb)
    wanted = tries(KILLS[verb], short=KILLS[verb] // 20)
    seconds = duration(runner, unbroken, verb)
    kills = 0
    while kills < wanted:
        project = fresh(unbroken, verb)
        runs = 0
        ended = None
        while ended is None or ended.code == KILLED:
            instant = dice.uniform(0, seconds) if kills < wanted else None
            ended = runner.verb(project, verb, name=f"run{runs}", kill_after=instant)
            runs += 1
            kills += ended.code == KILLED
        assert ended.code == 0, said(project)
        found = project.outputs(verb)
        compare(found, expected, tally)
        if verb in SHARDED:
            table = OUTPUTS[verb][0]
            tally.rows += len(rows_of(expected[table]))
            tally.rows_lost += len(rows_of(expected[table]) - rows_of(found[table]))
            tally.rows_redone += redone_in_flight(places_asked(project, verb))
        tally.runs += runs
        remove(project)
    tally.kills += kills
    tally.kills_by_stage[verb] = kills
    assert tally.bytes_differing == 0


def test_the_kills_add_up(tally: Tally, figure: Figure) -> None:
    assert tally.rows_lost == 0
    assert tally.bytes_differing == 0
    about = "SIGKILL at random instants, real SmolLM2 and MiniLM, " + ", ".join(
        f"{verb} {kills}" for verb, kills in tally.kills_by_stage.items()
    )
    figure("kills.random", tally.kills, unit="kills", about=about)
    figure("kills.runs", tally.runs, unit="runs", about="started, killed or not, until all ended")
    figure("kills.rows_compared", tally.rows, unit="rows", about="generate and score")
    figure("kills.rows_lost", tally.rows_lost, unit="rows", about="generate and score")
    figure(
        "kills.rows_redone",
        tally.rows_redone,
        unit="rows",
        about=f"asked again after a kill: of the shard in flight ({SHARD_ROWS} rows) only",
    )
    figure("kills.files_compared", tally.files, unit="files", about="with an unbroken run's")
    figure("kills.bytes_differing", tally.bytes_differing, unit="bytes", about="in those files")


def duration(runner: Runner, unbroken: Project, verb: str) -> float:
    """Return the seconds that ``verb`` takes from its start to its end."""
    project = fresh(unbroken, verb)
    ended = runner.verb(project, verb)
    assert ended.code == 0, said(project)
    remove(project)
    return ended.seconds


def compare(found: dict[str, bytes], expected: dict[str, bytes], tally: Tally) -> None:
    """Count the bytes in which the files differ."""
    assert found.keys() == expected.keys()
    for name, content in expected.items():
        tally.files += 1
        if found[name] != content:
            pairs = zip(found[name], content, strict=False)
            tally.bytes_differing += sum(a != b for a, b in pairs)
            tally.bytes_differing += abs(len(found[name]) - len(content))


def rows_of(parquet: bytes) -> set[tuple[object, ...]]:
    """Return the rows of a table; each occurs once, since every premise is another."""
    return set(pl.read_parquet(io.BytesIO(parquet)).iter_rows())


def places_asked(project: Project, verb: str) -> list[tuple[str, int]]:
    """Return (name of the run, place of the row) of all that the models were asked, in order.

    A request's key begins with the row's id, a judge's pair with the premise.
    """
    places = {row: number for number, row in enumerate(project.premises)}
    if verb == "generate":
        return [(name, int(row.partition("/")[0], 16)) for name, row in asked(project)]
    return [(name, places[row.partition("\t")[0]]) for name, row in asked(project)]


def redone_in_flight(asked_for: list[tuple[str, int]]) -> int:
    """Return how many rows were asked about again; all must lie in the shard in flight.

    That is the shard of the row that the run before had asked about last.
    """
    by_run: dict[str, list[int]] = {}
    for name, place in asked_for:
        by_run.setdefault(name, []).append(place)
    seen: set[int] = set()
    in_flight: set[int] = set()
    redone = 0
    for places in by_run.values():
        again = set(places) & seen
        assert {place // SHARD_ROWS for place in again} <= in_flight
        redone += len(again)
        in_flight = {places[-1] // SHARD_ROWS}
        seen |= set(places)
    return redone
