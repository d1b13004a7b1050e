"""Two revisions side by side, from a real Git and DVC project."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages import report as stage
from stages.errors import PipelineError
from stages.params_file import load_params
from stages.reporting.revisions import Revisions, side_by_side
from tests.pipeline.imports import ROOT

pytestmark = pytest.mark.slow  # Git and DVC start many processes

PIPELINE = """\
stages:
  evaluate:
    cmd: {python} measure.py
    params: [train.sigma, train.tasks]
    deps: [measure.py]
    metrics: [reports/metrics.json]
    outs: [reports/evaluation.json]
"""
MEASURE = """\
import json, pathlib
sigma = float(pathlib.Path("params.yaml").read_text().split("sigma: ")[1].split()[0])
score = lambda value: {"base": 70.0, "trained": 70 + value, "gain": value}
metrics = {"mean": score(sigma), "tasks": {"STS12": score(2 * sigma)}}
pathlib.Path("reports").mkdir(exist_ok=True)
pathlib.Path("reports/metrics.json").write_text(json.dumps(metrics))
figure = lambda v: {"spearman": v, "low": v - 1, "high": v + 1}
three = lambda v: {"base": figure(70.0), "trained": figure(70 + v), "gain": figure(v)}
task = {"task": "STS12", "pairs": 9, **three(2 * sigma)}
whole = {"confidence": 0.95, "bootstrap_samples": 100, "tasks": [task], "mean": three(sigma)}
pathlib.Path("reports/evaluation.json").write_text(json.dumps(whole))
"""


def run(folder: Path, *command: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": path}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def set_sigma(folder: Path, sigma: float, more: str = "") -> None:
    (folder / "params.yaml").write_text(f"train:\n  sigma: {sigma}\n  tasks: [own]\n{more}")


@pytest.fixture(scope="module", name="project")
def a_project_with_two_commits_and_an_experiment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "dvc.yaml").write_text(PIPELINE.format(python=sys.executable))
    (folder / "measure.py").write_text(MEASURE)
    set_sigma(folder, 1)
    run(folder, "git", "init", "-q", "-b", "main")
    run(folder, "git", "config", "user.email", "test@example.org")
    run(folder, "git", "config", "user.name", "Test")
    run(folder, "dvc", "init", "-q")
    run(folder, "git", "commit", "-qm", "empty")
    run(folder, "git", "tag", "empty")
    run(folder, "dvc", "repro", "-q")
    run(folder, "git", "add", "-A")
    run(folder, "git", "commit", "-qm", "first")
    run(folder, "git", "tag", "first")
    run(folder, "dvc", "exp", "run", "-q", "-n", "wider", "-S", "train.sigma=3")
    run(folder, "git", "checkout", "-q", ".")
    set_sigma(folder, 2)
    run(folder, "dvc", "repro", "-q")
    return folder


def compared(project: Path, names: str, sigma: float = 2.0) -> Revisions:
    settings: dict[str, Any] = {"train": {"sigma": sigma, "tasks": ["own"]}}
    return side_by_side(project, names, workspace=settings)


def changes(found: Revisions) -> dict[str, float | None]:
    return {row.task: row.change for row in found.rows}


def test_the_workspace_against_a_tag(project: Path) -> None:
    found = compared(project, "first")
    assert (found.before, found.after) == ("first", "workspace")
    assert changes(found) == {"Mean of graded pairs": 1.0, "STS12": 2.0}
    assert found.settings == (("train.sigma", "1", "2"),)
    assert found.same_base
    (_, row) = found.rows
    assert row.before is not None
    assert (row.before.value, row.before.low, row.before.high) == (72, 71, 73)


def test_two_revisions_one_of_them_an_experiment(project: Path) -> None:
    found = compared(project, "first..wider")
    assert (found.before, found.after) == ("first", "wider")
    assert changes(found) == {"Mean of graded pairs": 2.0, "STS12": 4.0}
    assert found.settings == (("train.sigma", "1", "3"),)


def test_a_revision_against_itself_differs_in_nothing(project: Path) -> None:
    found = compared(project, "first..first")
    assert set(changes(found).values()) == {0.0}
    assert found.settings == ()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ("nonsense", r"'nonsense' is no revision"),
        ("first..nonsense", r"'nonsense' is no revision"),
        ("empty", r"revision 'empty' cannot be read: it holds no reports/metrics\.json"),
        ("", "needs the name of a revision"),
        ("..first", "needs the name of a revision"),
    ],
)
def test_a_revision_that_cannot_be_compared_is_one_clear_line(
    project: Path, names: str, said: str
) -> None:
    with pytest.raises(PipelineError, match=said) as error:
        compared(project, names)
    assert "\n" not in error.value.cause


def test_outside_git_the_error_says_so(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="cannot be read"):
        compared(tmp_path, "main")


def test_a_workspace_without_figures_is_told_what_to_run(project: Path) -> None:
    metrics = project / "reports/metrics.json"
    kept = metrics.read_text()
    metrics.unlink()
    try:
        with pytest.raises(PipelineError, match=r"metrics\.json cannot be read") as error:
            compared(project, "first")
    finally:
        metrics.write_text(kept)
    assert "dvc repro" in error.value.remedy


def test_figures_of_another_form_are_named(project: Path) -> None:
    metrics = project / "reports/metrics.json"
    kept = metrics.read_text()
    metrics.write_text(json.dumps({"mean": 3}))
    try:
        with pytest.raises(PipelineError, match="another form"):
            compared(project, "first")
    finally:
        metrics.write_text(kept)


def test_the_page_shows_both_revisions_and_what_was_set(project: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    page = project / "reports/comparison.html"
    stage.run(params, folder=project, report=page, against="first..wider")
    html = page.read_text(encoding="utf-8")
    assert 'id="revisions"' in html
    assert "<b>+4.00</b>" in html
    assert "train.sigma" in html.partition("Settings that differ")[2][:900]
    stage.run(params, folder=project, report=page)
    assert 'id="revisions"' not in page.read_text(encoding="utf-8")


def test_means_over_other_tasks_are_not_compared(project: Path) -> None:
    metrics = project / "reports/metrics.json"
    kept = metrics.read_text()
    figures = {"base": 60.0, "trained": 61.0}
    changed = json.loads(kept)
    metrics.write_text(json.dumps(changed | {"tasks": changed["tasks"] | {"STS13": figures}}))
    try:
        found = compared(project, "first")
    finally:
        metrics.write_text(kept)
    assert changes(found) == {"Mean of graded pairs": None, "STS12": 2.0, "STS13": None}
    assert found.same_base
