"""A project folder to run commands in, and a way to run them in this process."""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from cli.__main__ import main
from stages.tables.schemas import CURATED, REJECTED
from stages.tables.writing import write_table
from tests.cli.running import ROOT, Ended, Run, triplet


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and profiles/, in which the test runs."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles" / "starter.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    """Run a command line in this process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def _run(*arguments: str) -> Ended:
        code = main(arguments)
        said = capsys.readouterr()
        return Ended(code, said.out, said.err)

    yield _run
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    for name in ("cli", "stages", "py.warnings"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture
def triplets(project: Path) -> Path:
    """The project with three kept and two rejected triplets."""
    kept = [
        triplet(1, a=4.0, b=1.0, premise="The Refund came late."),
        triplet(2, a=3.0, b=2.5),
        triplet(3, a=5.0, b=0.0, premise="[bold]\x1b[31mRed"),
    ]
    rejected = [
        {**triplet(18, a=2.0, b=4.0), "reason": "gap_too_small"},
        {**triplet(19, a=None, b=None), "reason": "unfinished"},
    ]
    write_table(pl.DataFrame(kept, schema=CURATED), project / "data/curated.parquet")
    write_table(pl.DataFrame(rejected, schema=REJECTED), project / "data/rejected.parquet")
    return project
