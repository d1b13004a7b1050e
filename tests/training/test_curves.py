"""Curves while training runs are whole, also those of a run that was stopped and went on."""

import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest
from dvc.repo import Repo

from stages.training.curves import LiveCurves


def history(steps: range) -> list[dict[str, float]]:
    trained = [{"loss": 1 / step, "masked_pairs": step % 3, "step": step} for step in steps]
    return [*trained, {"eval_spearman": 80.0 + steps[-1], "step": steps[-1]}]


def train(folder: Path, *, before: list[dict[str, float]], now: list[dict[str, float]]) -> None:
    curves = LiveCurves(folder)
    nothing = cast(Any, None)
    curves.on_train_begin(nothing, cast(Any, SimpleNamespace(log_history=before)), nothing)
    for entry in now:
        state = cast(Any, SimpleNamespace(global_step=entry["step"]))
        logs = {name: value for name, value in entry.items() if name != "step"}
        curves.on_log(nothing, state, nothing, logs=logs)
    curves.on_train_end(nothing, nothing, nothing)


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    return pl.read_csv(folder / f"plots/metrics/{name}.tsv", separator="\t").rows()


def test_a_stopped_run_leaves_the_curves_of_an_unbroken_one(tmp_path: Path) -> None:
    train(tmp_path / "whole", before=[], now=[*history(range(1, 4)), *history(range(4, 7))])
    train(tmp_path / "broken", before=[], now=[*history(range(1, 4)), *history(range(4, 6))])
    train(tmp_path / "broken", before=history(range(1, 4)), now=history(range(4, 7)))
    for name in ("loss", "masked_pairs", "dev_spearman"):
        assert curve(tmp_path / "whole", name) == curve(tmp_path / "broken", name)
    assert curve(tmp_path / "whole", "dev_spearman") == [(3, 83.0), (6, 86.0)]
    assert [step for step, _ in curve(tmp_path / "whole", "loss")] == [1, 2, 3, 4, 5, 6]


def test_figures_can_be_read_while_it_runs(tmp_path: Path) -> None:
    curves = LiveCurves(tmp_path)
    nothing = cast(Any, None)
    curves.on_train_begin(nothing, cast(Any, SimpleNamespace(log_history=[])), nothing)
    curves.on_log(nothing, cast(Any, SimpleNamespace(global_step=1)), nothing, logs={"loss": 0.5})
    assert json.loads((tmp_path / "metrics.json").read_text())["loss"] == 0.5
    assert curve(tmp_path, "loss") == [(1, 0.5)]
    assert not list(tmp_path.rglob("dvc.yaml"))


def test_a_repository_without_a_commit_costs_the_curves_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    Repo.init(str(tmp_path)).close()
    monkeypatch.chdir(tmp_path)
    train(tmp_path / "curves", before=[], now=history(range(1, 4)))
    assert "no live curves" in caplog.text
    assert not (tmp_path / "curves").exists()
