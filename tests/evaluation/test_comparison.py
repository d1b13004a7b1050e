"""Base and trained side by side: what the figures in the reports mean."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from stages.evaluation.comparison import Resampling, Sample, compare

RESAMPLING = Resampling(samples=200, confidence=0.95, seed=1)


def task(seed: int, *, pairs: int = 80, better_by: float = 0.5) -> Sample:
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0, 5, pairs)
    noise = generator.normal(size=pairs)
    return Sample([scores + (2 + better_by) * noise, scores + 2 * noise], scores)


def test_figures_are_spearman_times_100_and_the_gain_is_their_difference() -> None:
    one = task(1)
    entry = compare({"one": one}, RESAMPLING)["tasks"]["one"]
    for name, cosines in zip(("base", "trained"), one.values, strict=True):
        wanted = 100 * spearmanr(cosines, one.grades).statistic
        assert entry[name]["spearman"] == pytest.approx(wanted, abs=1e-4)
        assert entry[name]["low"] < entry[name]["spearman"] < entry[name]["high"]
    difference = entry["trained"]["spearman"] - entry["base"]["spearman"]
    assert entry["gain"]["spearman"] == pytest.approx(difference, abs=2e-4)


def test_the_gain_is_paired_and_so_narrower_than_either_side() -> None:
    entry = compare({"one": task(1)}, RESAMPLING)["tasks"]["one"]
    width = {name: entry[name]["high"] - entry[name]["low"] for name in ("base", "trained", "gain")}
    assert width["gain"] < 0.5 * min(width["base"], width["trained"])


def test_identical_encoders_gain_exactly_nothing() -> None:
    tasks = {"one": task(1, better_by=0), "two": task(2, better_by=0)}
    comparison = compare(tasks, RESAMPLING)
    nothing = {"spearman": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    assert comparison["mean"]["gain"] == nothing
    assert [entry["gain"] for entry in comparison["tasks"].values()] == [nothing, nothing]


def test_the_mean_weighs_tasks_alike_and_is_surer_than_one_of_them() -> None:
    comparison = compare({"small": task(1, pairs=40), "large": task(2, pairs=400)}, RESAMPLING)
    small, large = comparison["tasks"].values()
    mean = comparison["mean"]["base"]
    wanted = (small["base"]["spearman"] + large["base"]["spearman"]) / 2
    assert mean["spearman"] == pytest.approx(wanted, abs=1e-4)
    assert mean["high"] - mean["low"] < small["base"]["high"] - small["base"]["low"]


def test_another_task_beside_it_does_not_change_a_task() -> None:
    alone = compare({"one": task(1)}, RESAMPLING)["tasks"]["one"]
    together = compare({"zero": task(0), "one": task(1)}, RESAMPLING)["tasks"]["one"]
    assert alone == together


def test_without_grades_the_figure_is_the_mean_of_what_items_count_for() -> None:
    hits = np.array([1.0] * 30 + [0.0] * 10)
    entry = compare({"one": Sample([hits])}, RESAMPLING, names=["alone"], key="value")["tasks"]
    assert set(entry["one"]) == {"alone"}
    assert entry["one"]["alone"]["value"] == 75.0
    # 1.96 standard errors of a share of 0.75 among 40.
    half = (entry["one"]["alone"]["high"] - entry["one"]["alone"]["low"]) / 2
    assert half == pytest.approx(100 * 1.96 * np.sqrt(0.75 * 0.25 / 40), rel=0.15)


def told_apart(gap: float, *, trials: int, graded: bool) -> float:
    """Return how often two encoders, the second better by ``gap``, are told apart at 95 %."""
    generator = np.random.default_rng(8)
    count = 0
    for trial in range(trials):
        truth = generator.normal(size=300)
        shared = generator.normal(size=300)
        noise = [0.7 * shared + 0.7 * generator.normal(size=300) for _ in range(2)]
        values = [truth + noise[0], truth + (1 - gap) * noise[1]]
        if not graded:
            values = [(value > 0).astype(float) == (truth > 0) for value in values]
        sample = Sample([value.astype(float) for value in values], truth if graded else None)
        gain = compare({str(trial): sample}, RESAMPLING)["mean"]["gain"]
        apart = gain["low"] > 0 or gain["high"] < 0
        # p steps by 2 / 201 here, so that at the very edge the two may differ.
        assert apart == (gain["p"] < 0.05) or abs(gain["p"] - 0.05) < 0.03
        count += apart
    return count / trials


@pytest.mark.slow
@pytest.mark.parametrize("graded", [True, False])
def test_encoders_of_equal_quality_are_told_apart_as_seldom_as_promised(graded: bool) -> None:
    # 5 % of 200 are 10; the binomial distribution allows 3 to 18 with 99 %.
    assert told_apart(0.0, trials=200, graded=graded) <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize("graded", [True, False])
def test_a_real_difference_is_found(graded: bool) -> None:
    assert told_apart(0.5, trials=20, graded=graded) >= 0.9
