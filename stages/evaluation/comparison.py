"""Two encoders side by side on graded pairs: correlations, gains and how sure they are."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stages.evaluation.bootstrap import interval, resampled_spearman, task_seed

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TaskCosines:
    """What two encoders say about the pairs of one benchmark, and what people said.

    Attributes:
        base: ``(pairs,)`` cosines of the encoder before training.
        trained: ``(pairs,)`` cosines of the encoder after it.
        scores: ``(pairs,)``, any scale on which more is more alike.
    """

    base: Floats
    trained: Floats
    scores: Floats


@dataclass(frozen=True)
class Resampling:
    """How confidence intervals are made: number of resamples, level in (0, 1), seed."""

    samples: int
    confidence: float
    seed: int


def compare(tasks: Mapping[str, TaskCosines], resampling: Resampling) -> dict[str, Any]:
    """Return Spearman correlations times 100 with confidence intervals, for all tasks and the mean.

    The gain's interval comes from the same resampled pairs for both encoders; the mean's from
    resampling the pairs within every task. All subsets of a benchmark are ranked together (the
    "all" setting).

    Args:
        tasks: Cosines and scores by benchmark name; none constant.
        resampling: How the intervals are made.

    Returns:
        What reports/evaluation.json holds: ``confidence``, ``bootstrap_samples``, ``tasks`` (a list
        in the order given) and ``mean``, each with ``base``, ``trained`` and ``gain``.
    """
    points = {name: _both(task) for name, task in tasks.items()}
    spreads = {name: _resampled(name, task, resampling) for name, task in tasks.items()}
    level = resampling.confidence
    return {
        "confidence": level,
        "bootstrap_samples": resampling.samples,
        "tasks": [
            {"task": name, "pairs": len(task.scores)}
            | _figures(points[name], spreads[name], confidence=level)
            for name, task in tasks.items()
        ],
        "mean": _figures(_mean(points.values()), _mean(spreads.values()), confidence=level),
    }


def lean(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of :func:`compare` without intervals: what reports/metrics.json holds."""

    def figures(entry: Mapping[str, Any]) -> dict[str, float]:
        return {name: entry[name]["spearman"] for name in ("base", "trained", "gain")}

    return {
        "mean": figures(details["mean"]),
        "tasks": {entry["task"]: figures(entry) for entry in details["tasks"]},
    }


def _both(task: TaskCosines) -> Floats:
    sides = (task.base, task.trained)
    return np.array([100 * spearmanr(cosines, task.scores).statistic for cosines in sides])


def _resampled(name: str, task: TaskCosines, resampling: Resampling) -> Floats:
    return 100 * resampled_spearman(
        (task.base, task.trained),
        task.scores,
        samples=resampling.samples,
        seed=task_seed(resampling.seed, name),
    )


def _mean(arrays: Iterable[Floats]) -> Floats:
    mean: Floats = np.mean(list(arrays), axis=0)
    return mean


def _figures(point: Floats, spread: Floats, *, confidence: float) -> dict[str, dict[str, float]]:
    rows = {
        "base": (point[0], spread[0]),
        "trained": (point[1], spread[1]),
        "gain": (point[1] - point[0], spread[1] - spread[0]),
    }
    return {
        name: _figure(value, *interval(values, confidence=confidence))
        for name, (value, values) in rows.items()
    }


def _figure(value: float, low: float, high: float) -> dict[str, float]:
    return {"spearman": _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # + 0.0 turns -0.0 into 0.0
