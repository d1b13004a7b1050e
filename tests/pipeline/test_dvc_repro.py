"""The real `dvc` on the smoke profile, in a fresh clone: what reruns, and what does not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.imports import ROOT

pytestmark = pytest.mark.pipeline

AFTER_CURATE = {"curate", "validate", "train", "evaluate", "report"}


def run(folder: Path, *command: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "PATH": path}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def stages_run(output: str) -> set[str]:
    return {line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")}


def copy_of_the_project(folder: Path) -> None:
    """Make ``folder`` a Git repository with the project's files, nothing committed."""
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    run(folder, "git", "init", "--quiet", "--initial-branch", "main")
    run(folder, "git", "config", "user.email", "test@example.org")
    run(folder, "git", "config", "user.name", "Test")


def smoke_project(folder: Path, *, cache: Path) -> None:
    """Copy the project to ``folder``, commit it on the smoke profile, and let DVC use ``cache``."""
    copy_of_the_project(folder)
    (folder / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache}\n", encoding="utf-8")
    run(folder, sys.executable, "-m", "cli", "params", "switch", "smoke")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "smoke profile")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, dvc_cache: Path) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    smoke_project(folder, cache=dvc_cache)
    run(folder, "dvc", "repro", "--no-run-cache")
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "first run")
    return folder


def test_a_fresh_clone_ends_with_everything_up_to_date(clone: Path) -> None:
    assert "up to date" in run(clone, "dvc", "status")
    assert "<html" in (clone / "reports/report.html").read_text(encoding="utf-8")


def test_a_second_repro_does_nothing(clone: Path) -> None:
    assert stages_run(run(clone, "dvc", "repro")) == set()


def test_the_encoder_loads_in_a_process_that_does_not_know_this_project(clone: Path) -> None:
    code = (
        "import sys; from sentence_transformers import SentenceTransformer;"
        "print(SentenceTransformer(sys.argv[1]).encode(['Hello.']).shape);"
        "assert not {'stages', 'cli'} & set(sys.modules)"
    )
    encoder = str(clone / "models/encoder")
    assert run(clone.parent, sys.executable, "-c", code, encoder).startswith("(1, ")


def test_changing_gamma_reruns_curate_and_what_follows_only(clone: Path) -> None:
    output = run(clone, "dvc", "exp", "run", "--name", "gamma", "--set-param", "curate.gamma=-4.5")
    ran = stages_run(output)
    assert "curate" in ran
    assert ran <= AFTER_CURATE


def work_kept(clone: Path, stage: str) -> list[dict[str, Any]]:
    """Return the plans of a stage's work."""
    plans = (clone / ".work" / stage).glob("*/plan.json")
    return [json.loads(plan.read_text(encoding="utf-8")) for plan in plans]


def test_a_queued_grid_over_omega_runs_in_temporary_folders(clone: Path) -> None:
    run(clone, "dvc", "exp", "run", "--queue", "--set-param", "generate.omega=0,0.3")
    run(clone, "dvc", "exp", "run", "--run-all")
    shown = json.loads(run(clone, "dvc", "exp", "show", "--json"))
    rows = [e for rev in shown for e in (rev.get("experiments") or [])]
    omegas = {
        r["revs"][0]["data"]["params"]["params.yaml"]["data"]["generate"]["omega"] for r in rows
    }
    assert {0, 0.3} <= omegas
    # What they computed is kept in the project's own folder, not in those that are gone.
    kept = work_kept(clone, "generate")
    assert {0.0, 0.3} <= {plan["settings"]["generate.omega"] for plan in kept}
    assert not list((clone / ".dvc/tmp/exps").rglob(".work"))
    metrics = rows[0]["revs"][0]["data"]["metrics"]
    assert set(metrics["reports/metrics.json"]["data"]["mean"]) == {"base", "trained", "gain"}


def test_the_command_line_goes_on_with_what_dvc_has_computed(clone: Path) -> None:
    shards = {path: path.stat().st_mtime_ns for path in (clone / ".work").rglob("shard-*.parquet")}
    output = run(clone, sys.executable, "-m", "cli", "generate", "--triplets", "again.parquet")
    assert output == ""
    assert (clone / "again.parquet").read_bytes() == (clone / "data/triplets.parquet").read_bytes()
    (clone / "again.parquet").unlink()
    after = {path: path.stat().st_mtime_ns for path in (clone / ".work").rglob("shard-*.parquet")}
    assert after == shards


def test_work_is_listed_as_used_by_the_settings_of_the_project(clone: Path) -> None:
    lines = run(clone, sys.executable, "-m", "cli", "work", "list", "--json").splitlines()
    records = [json.loads(line) for line in lines]
    for stage in ("generate", "score", "guide", "vectors"):
        used = [record for record in records if record["stage"] == stage and record["used_today"]]
        assert used, [record["difference"] for record in records if record["stage"] == stage]


def test_metrics_and_plots_are_declared(clone: Path) -> None:
    metrics = json.loads(run(clone, "dvc", "metrics", "show", "--json"))[""]["data"]
    names = ("preparation", "generation", "scoring", "curation", "metrics")
    assert set(metrics) == {f"reports/{name}.json" for name in names}
    run(clone, "dvc", "plots", "show", "--out", "plots")
    page = (clone / "plots/index.html").read_text(encoding="utf-8")
    assert "Training loss" in page
    assert "Dev score" in page
