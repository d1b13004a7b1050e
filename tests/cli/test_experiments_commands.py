"""`multicsr experiments`: list, show, and everything about run that needs no run."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Run

OWN = """
title: A grid of mine
paper: none
claim: It is best at 0.9.
axes: {train.sigma: [0.8, 0.9]}
columns:
  - {name: mean, title: mean, value: reports/metrics.json#mean/trained}
expect:
  - {kind: best_at, column: mean, axis: train.sigma, at: 0.9}
scales:
  starter: {profile: starter, seeds: [1, 2], settings: {prepare.limit: 8}}
"""


@pytest.fixture
def own(project: Path) -> Path:
    path = project / "mine.yaml"
    path.write_text(OWN, encoding="utf-8")
    return path


def test_the_list_names_table_runs_and_minutes(project: Path, run: Run) -> None:
    ended = run("experiments", "list")
    assert ended.code == 0
    line = next(line for line in ended.out.splitlines() if line.startswith(" omega"))
    assert line.split()[1:3] == ["Figure", "5"]
    assert line.rstrip().endswith("not run")


def test_dry_run_prints_commands_that_dvc_takes(own: Path, run: Run) -> None:
    ended = run("experiments", "run", str(own), "--dry-run", "--seeds", "5")
    assert ended.code == 0, ended.err
    lines = ended.out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("dvc exp run --temp --name mine-sigma-0.8-s5-")
    assert lines[0].endswith(
        "--set-param prepare.limit=8 --set-param train.sigma=0.8 --set-param train.seed=5 evaluate"
    )
    assert not (own.parent / "reports").exists()


def test_a_setting_may_be_set_for_all_runs(own: Path, run: Run) -> None:
    ended = run("experiments", "run", str(own), "--dry-run", "-S", "evaluate.tasks=[sts, own]")
    assert ended.out.count("--set-param 'evaluate.tasks=[sts,own]'") == 4


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["omgea"], "there is no experiment 'omgea', did you mean omega?"),
        (["omega"], "name it with --data FOLDER"),
        (["omega", "--data", "nowhere"], "which experiment omega reads"),
        (["mine.yaml", "--scale", "papr"], "mine has no scale 'papr'"),
        (["mine.yaml", "--seeds", "1,1"], "--seeds 1,1 is no list of different whole numbers"),
        (["mine.yaml", "-S", "train.tau"], "is not KEY=VALUE"),
        (["mine.yaml", "-S", "train.tua=1"], "train.tua, which is no setting"),
        (["mine.yaml", "-S", "train.tau=0"], "train.tau = 0.0: Input should be greater than 0"),
        (["mine.yaml", "-S", "curate.alpha=9"], "experiment mine, sigma 0.8: curate.alpha = 9.0"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(
    own: Path, run: Run, arguments: list[str], said: str
) -> None:
    ended = run("experiments", "run", *arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "remedy: " in ended.err


def test_what_has_not_run_is_shown_as_such(own: Path, run: Run) -> None:
    ended = run("experiments", "show", str(own))
    assert ended.code == 0
    assert "The paper: It is best at 0.9." in ended.out
    assert "Not run yet" in ended.out


def test_show_puts_claim_finding_and_table_together(own: Path, run: Run) -> None:
    runs = [
        {
            "row": f"sigma {sigma}",
            "places": {"train.sigma": sigma},
            "seed": seed,
            "name": "n",
            "state": "done",
            "figures": {"mean": 80 + seed},
            "base": {},
        }
        for sigma in (0.8, 0.9)
        for seed in (1, 2)
    ]
    record = {"scale": "starter", "runs": runs, "finding": "Seen \x1b[31m.", "findings": []}
    folder = own.parent / "reports/experiments/mine"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(json.dumps(record), encoding="utf-8")
    ended = run("experiments", "show", str(own))
    assert ended.code == 0, ended.err
    assert "Found: Seen" in ended.out
    assert "\x1b" not in ended.out
    assert "81.50 \N{PLUS-MINUS SIGN} 0.71" in ended.out
