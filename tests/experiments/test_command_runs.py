"""An experiment of commands: a real judge, asked in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from stages.encoders.tiny import write_random_encoder
from stages.experiments.definitions import Definition
from stages.experiments.planning import Choice, plan
from stages.experiments.recording import read_record
from stages.experiments.running import settings_of
from stages.experiments.session import Session
from tests.pipeline.imports import ROOT

pytestmark = pytest.mark.slow

PROFILE = settings_of(ROOT / "profiles/smoke.yaml")
FACTS: dict[str, Any] = {
    "command": "multicsr experiments run judges",
    "scale": "starter",
    "seeds": [1],
    "machine": {"cores": 2, "processor": "P", "memory_gib": 4.0, "accelerator": None},
    "versions": {},
}


def judges(encoder: Path) -> Definition:
    asked = ["judge", "${data}/dev.tsv", "--judge", "encoder", "--limit", "${pairs}"]
    asked += ["--seed", "${seed}", "--output", "${output}", "--encoder"]
    values = {
        "name": "judges",
        "title": "Judges",
        "paper": "none",
        "claim": "None.",
        "kind": "command",
        "variants": [
            {"name": "encoder", "arguments": [*asked, str(encoder)]},
            {"name": "nobody", "arguments": [*asked, str(encoder / "nowhere")]},
        ],
        "columns": [
            {"name": "pairs", "title": "pairs", "value": "output#figures/0/pairs", "digits": 0},
            {"name": "spearman", "title": "S", "value": "output#figures/0/spearman"},
        ],
        "scales": {"starter": {"profile": "smoke", "seeds": [1], "arguments": {"pairs": "40"}}},
    }
    return Definition.model_validate(values)


def test_its_figures_are_read_off_what_it_wrote_and_kept(tmp_path: Path) -> None:
    write_random_encoder(tmp_path / "encoder", seed=1)
    for command in (["git", "init", "--quiet"], ["git", "add", "encoder"], ["git", *COMMIT]):
        subprocess.run(command, cwd=tmp_path, check=True)
    for command in (["dvc", "init", "--quiet"], ["dvc", *STAGE]):
        subprocess.run([sys.executable, "-m", *command], cwd=tmp_path, check=True)
    definition = judges(tmp_path / "encoder").model_copy(update={"needs": "copied"})
    data = ROOT / "data/starter/benchmarks"
    runs = plan(definition, Choice("starter", (), data), profile=PROFILE)
    session = Session(definition, tmp_path, tmp_path / "reports", PROFILE, FACTS)
    one, other = session.run_all(runs)
    assert (tmp_path / "copy").read_text() == "what the command needs\n"
    assert one["figures"]["pairs"] == 40
    assert -1 <= one["figures"]["spearman"] <= 1
    assert other["state"] == "failed"
    assert "nowhere" in other["cause"]
    record = read_record(tmp_path / "reports")
    assert record is not None
    assert record["runs"][0]["arguments"][1] == "${data}/dev.tsv"
    log = tmp_path / f".work/experiments/logs/{one['name']}.log"
    written = log.stat().st_mtime_ns
    again, _ = session.run_all(runs)
    assert log.stat().st_mtime_ns == written
    assert json.dumps(again["figures"]) == json.dumps(one["figures"])


STAGE = ["stage", "add", "--quiet", "--name", "copied", "--outs", "copy"]
STAGE += ["echo what the command needs > copy"]
COMMIT = ["-c", "user.name=T", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "one"]
