"""Base and trained side by side: what the figures in the reports mean."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from stages.evaluation.comparison import Resampling, TaskCosines, compare, lean

RESAMPLING = Resampling(samples=200, confidence=0.95, seed=1)


def task(seed: int, *, pairs: int = 80, better_by: float = 0.5) -> TaskCosines:
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0, 5, pairs)
    noise = generator.normal(size=pairs)
    return TaskCosines(
        base=scores + (2 + better_by) * noise, trained=scores + 2 * noise, scores=scores
    )


def test_figures_are_spearman_times_100_and_the_gain_is_their_difference() -> None:
    one = task(1)
    entry = compare({"one": one}, RESAMPLING)["tasks"][0]
    assert (entry["task"], entry["pairs"]) == ("one", 80)
    for name in ("base", "trained"):
        wanted = 100 * spearmanr(getattr(one, name), one.scores).statistic
        assert entry[name]["spearman"] == pytest.approx(wanted, abs=1e-4)
        assert entry[name]["low"] < entry[name]["spearman"] < entry[name]["high"]
    difference = entry["trained"]["spearman"] - entry["base"]["spearman"]
    assert entry["gain"]["spearman"] == pytest.approx(difference, abs=2e-4)


def test_the_gain_is_paired_and_so_narrower_than_either_side() -> None:
    entry = compare({"one": task(1)}, RESAMPLING)["tasks"][0]
    width = {name: entry[name]["high"] - entry[name]["low"] for name in ("base", "trained", "gain")}
    assert width["gain"] < 0.5 * min(width["base"], width["trained"])


def test_identical_encoders_gain_exactly_nothing() -> None:
    tasks = {"one": task(1, better_by=0), "two": task(2, better_by=0)}
    comparison = compare(tasks, RESAMPLING)
    nothing = {"spearman": 0.0, "low": 0.0, "high": 0.0}
    assert comparison["mean"]["gain"] == nothing
    assert [entry["gain"] for entry in comparison["tasks"]] == [nothing, nothing]


def test_the_mean_weighs_tasks_alike_and_is_surer_than_one_of_them() -> None:
    comparison = compare({"small": task(1, pairs=40), "large": task(2, pairs=400)}, RESAMPLING)
    small, large = comparison["tasks"]
    mean = comparison["mean"]["base"]
    wanted = (small["base"]["spearman"] + large["base"]["spearman"]) / 2
    assert mean["spearman"] == pytest.approx(wanted, abs=1e-4)
    assert mean["high"] - mean["low"] < small["base"]["high"] - small["base"]["low"]


def test_another_task_beside_it_does_not_change_a_task() -> None:
    alone = compare({"one": task(1)}, RESAMPLING)["tasks"][0]
    together = compare({"zero": task(0), "one": task(1)}, RESAMPLING)["tasks"][1]
    assert alone == together


def test_the_lean_figures_are_the_same_without_intervals() -> None:
    comparison = compare({"one": task(1), "two": task(2)}, RESAMPLING)
    metrics = lean(comparison)
    assert list(metrics["tasks"]) == ["one", "two"]
    assert set(metrics["mean"]) == {"base", "trained", "gain"}
    assert metrics["tasks"]["two"]["gain"] == comparison["tasks"][1]["gain"]["spearman"]
