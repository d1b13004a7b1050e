"""A small grid on the smoke profile through the real DVC, in a fresh clone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stages.experiments.definitions import catalogue
from stages.experiments.results import figures, files_of, kept_experiments
from tests.pipeline.test_dvc_repro import copy_of_the_project, run

pytestmark = pytest.mark.pipeline

GRID = """
title: Sigma on the smoke profile
paper: none
claim: None.
axes: {train.sigma: [0.9, 1.01]}
columns:
  - name: mean
    title: mean
    value: reports/metrics.json#mean/trained
    base: reports/metrics.json#mean/base
  - {name: masked, title: masked, value: reports/training/summary.json#masked_pairs, digits: 0}
expect:
  - {kind: best_at, column: mean, axis: train.sigma, at: 0.9}
chart: {kind: lines, columns: [mean], axis: train.sigma, y: mean}
scales:
  starter: {profile: smoke, seeds: [1]}
"""
MEASURED_ELSEWHERE = re.compile("#(tasks|means)/")
RUN = (sys.executable, "-m", "cli", "experiments", "run", "grid.yaml")


def record(folder: Path) -> dict[str, Any]:
    path = folder / "reports/experiments/grid/record.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with the starter profile, whose params.yaml holds a change that nobody committed."""
    folder = tmp_path_factory.mktemp("clone")
    copy_of_the_project(folder)
    (folder / "grid.yaml").write_text(GRID, encoding="utf-8")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "a grid")
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(f"# mine\n{text}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ran(clone: Path) -> Path:
    before = (clone / "params.yaml").read_bytes()
    run(clone, *RUN)
    assert (clone / "params.yaml").read_bytes() == before
    return clone


def test_every_run_is_an_experiment_of_dvc_with_its_figures(ran: Path) -> None:
    shown = json.loads(run(ran, "dvc", "exp", "show", "--json"))
    rows = [e for rev in shown for e in (rev.get("experiments") or [])]
    assert len(rows) == 2
    sigmas = [
        row["revs"][0]["data"]["params"]["params.yaml"]["data"]["train"]["sigma"] for row in rows
    ]
    assert sorted(sigmas) == [0.9, 1.01]
    runs = record(ran)["runs"]
    assert {entry["state"] for entry in runs} == {"done"}
    masked = {entry["row"]: entry["figures"]["masked"] for entry in runs}
    assert masked["sigma 0.9"] > masked["sigma 1.01"] == 0
    assert len({entry["figures"]["mean"] for entry in runs}) == 2


def test_the_copy_it_ran_in_leaves_the_project_alone(ran: Path) -> None:
    changed = run(ran, "git", "status", "--porcelain").split()
    assert changed == ["M", "params.yaml", "??", "reports/experiments/grid/"]
    assert not (ran / "dvc.lock").exists()
    assert not (ran / "models").exists()
    assert not list((ran / ".dvc/tmp/exps/standalone").glob("tmp*"))


def test_only_what_a_setting_changes_was_computed_for_it(ran: Path) -> None:
    logs = sorted((ran / ".work/experiments/logs").glob("*.log"))
    ran_stages = [
        {line.split("'")[1] for line in log.read_text().splitlines() if "Running stage" in line}
        for log in logs
    ]
    assert sorted(map(len, ran_stages)) == [2, 8]
    assert min(ran_stages, key=len) == {"train", "evaluate"}


def test_a_second_session_runs_nothing(ran: Path) -> None:
    logs = ran / ".work/experiments/logs"
    before = {log.name: log.stat().st_mtime_ns for log in logs.iterdir()}
    first = record(ran)
    run(ran, *RUN)
    assert {log.name: log.stat().st_mtime_ns for log in logs.iterdir()} == before
    assert record(ran)["runs"] == first["runs"]


def test_the_columns_of_the_catalogue_are_found_in_a_real_run(ran: Path) -> None:
    (kept, *_) = kept_experiments(ran)
    declared = [one for one in catalogue() if one.kind == "pipeline"]
    with files_of(ran, kept.commit) as read:
        for definition in declared:
            # Only graded pairs are measured here: the groups and tasks of others are not there.
            columns = [c for c in definition.columns if not MEASURED_ELSEWHERE.search(c.value)]
            figures(columns, read)


def test_a_run_that_fails_is_noted_and_the_rest_is_there(ran: Path) -> None:
    axes = "axes: {train.batch_triplets: [16, 4096], train.sigma: [0.9]}"
    text = GRID.replace("axes: {train.sigma: [0.9, 1.01]}", axes)
    (ran / "faulty.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*RUN[:-1], "faulty.yaml"], cwd=ran, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "1 of 2 runs of faulty failed" in done.stderr
    assert "fewer than one batch of 4096" in done.stderr
    path = ran / "reports/experiments/faulty/record.json"
    runs = json.loads(path.read_text(encoding="utf-8"))["runs"]
    assert [entry["state"] for entry in runs] == ["done", "failed"]


def test_stopped_it_leaves_params_alone_and_goes_on(ran: Path) -> None:
    before = (ran / "params.yaml").read_bytes()
    command = [*RUN, "--seeds", "7"]
    text = GRID.replace("[0.9, 1.01]", "[0.9]")
    (ran / "grid.yaml").write_text(text, encoding="utf-8")
    started = subprocess.Popen(
        command, cwd=ran, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert started.stderr is not None
    for line in started.stderr:
        if "Running stage 'train'" in line:
            break
    time.sleep(0.5)
    os.kill(started.pid, signal.SIGTERM)
    _, said = started.communicate(timeout=120)
    assert started.returncode == 143, said
    assert (ran / "params.yaml").read_bytes() == before
    run(ran, *command)
    assert {entry["state"] for entry in record(ran)["runs"]} == {"done"}
    assert (ran / "params.yaml").read_bytes() == before
