"""How hard the fault injection tries, what it breaks, and where its figures go."""

import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults.file_layer import COMPILER, build
from tests.faults.projects import OUTPUTS, PREMISES, Project
from tests.faults.runner import Runner, said

REPORT = Path(__file__).parents[2] / "reports/reliability.json"
FULL = os.environ.get("FAULTS", "full") == "full"
"""`make faults` tries everything; with FAULTS=short it tries a little, and writes no figures."""
Figure = Callable[..., None]


def tries(full: int, *, short: int) -> int:
    """Return how often something is tried: in full, or in the short form."""
    return full if FULL else short


@pytest.fixture(scope="session")
def measured() -> Iterator[dict[str, object]]:
    """Figures of this run by key; those of keys not measured now stay in the file."""
    figures: dict[str, object] = {}
    yield figures
    if FULL and figures:
        _merge(figures)


@pytest.fixture
def figure(measured: dict[str, object]) -> Figure:
    """Record one figure of reports/reliability.json; one recorded before under `key` is replaced.

    Called as ``figure("corrupted_shards.detected", 1000, unit="shards", about="what was done")``.
    """

    def record(key: str, value: float, *, unit: str, about: str) -> None:
        measured[key] = {"value": value, "unit": unit, "about": about}

    return record


@pytest.fixture(scope="session")
def scripted(
    premises: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Runner, Project]]:
    """A warm runner over the failing file layer, and a project that has been through unbroken.

    Its language model is scripted and its encoders are tiny: what writes files is the same.
    """
    if COMPILER is None:
        pytest.skip("the failing file layer needs a C compiler")
    folder = tmp_path_factory.mktemp("scripted").resolve()
    runner = Runner(layer=build(folder))
    project = Project(folder / "unbroken")
    project.make(sorted(premises, key=len)[:PREMISES])
    for verb in OUTPUTS:
        ended = runner.verb(project, verb, name=verb)
        assert ended.code == 0, said(project)
    yield runner, project
    runner.close()
    shutil.rmtree(folder)


def _merge(figures: dict[str, object]) -> None:
    """Add to the file, which several processes of tests may do at once."""
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        old = json.loads(file.read() or "{}")
        file.seek(0)
        file.truncate()
        file.write(json.dumps(dict(sorted({**old, **figures}.items())), indent=2) + "\n")
