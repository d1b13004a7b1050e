"""Encoders side by side on the same items: figures, gains and how sure they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stages.evaluation.bootstrap import (
    interval,
    resampled_means,
    resampled_spearman,
    task_seed,
    two_sided_p,
)

Floats = NDArray[np.float64]
Figure = dict[str, float]

BOTH = ("base", "trained")
"""What the two encoders of the pipeline are called; the gain is the second's."""


@dataclass(frozen=True)
class Sample:
    """What encoders got on the items of one task.

    Attributes:
        values: One array ``(items,)`` an encoder: cosines where there are grades, else what each
            item counts for, so that the figure is the mean.
        grades: ``(items,)``, what people said of each pair, on any scale on which more is more
            alike; None where values count themselves.
    """

    values: Sequence[Floats]
    grades: Floats | None = None

    def part(self, chosen: NDArray[np.bool_]) -> "Sample":
        """Return the sample of the chosen items."""
        grades = None if self.grades is None else self.grades[chosen]
        return Sample([values[chosen] for values in self.values], grades)

    @property
    def can_be_ranked(self) -> bool:
        """Whether a figure exists: correlation needs two grades and two cosines that differ."""
        if self.grades is None:
            return True
        return all(np.ptp(array) > 0 for array in (self.grades, *self.values))


@dataclass(frozen=True)
class Resampling:
    """How confidence intervals are made: number of resamples, level in (0, 1), seed."""

    samples: int
    confidence: float
    seed: int


def compare(
    tasks: Mapping[str, Sample],
    resampling: Resampling,
    *,
    names: Sequence[str] = BOTH,
    key: str = "spearman",
) -> dict[str, Any]:
    """Return figures times 100 with confidence intervals, for all tasks and their mean.

    With two encoders the gain of the second is one more figure. Its interval comes from the same
    resampled items for both; the mean's from resampling the items within every task. ``p`` is the
    two-sided bootstrap probability of such a gain between encoders of equal quality; below
    1 - confidence the interval leaves out zero.

    Args:
        tasks: Samples by task, all of the same encoders and all rankable.
        resampling: How the intervals are made.
        names: What the encoders are called, in the order of their values.
        key: What the figure is called.

    Returns:
        ``tasks``, by task, and ``mean``; each with one figure for each of ``names``, and ``gain``
        where there are two.
    """
    points = {name: point(sample) for name, sample in tasks.items()}
    spreads = {name: _resampled(name, sample, resampling) for name, sample in tasks.items()}
    form = _Form(names, key, resampling.confidence)
    return {
        "tasks": {name: form.figures(points[name], spreads[name]) for name in tasks},
        "mean": form.figures(_mean(points.values()), _mean(spreads.values())),
    }


def point(sample: Sample) -> Floats:
    """Return ``(encoders,)``: Spearman's correlation, or the mean, times 100."""
    if sample.grades is None:
        return np.array([100 * values.mean() for values in sample.values])
    return np.array([100 * spearmanr(v, sample.grades).statistic for v in sample.values])


def _resampled(name: str, sample: Sample, resampling: Resampling) -> Floats:
    samples, seed = resampling.samples, task_seed(resampling.seed, name)
    if sample.grades is None:
        return 100 * resampled_means(sample.values, samples=samples, seed=seed)
    return 100 * resampled_spearman(sample.values, sample.grades, samples=samples, seed=seed)


def _mean(arrays: Iterable[Floats]) -> Floats:
    mean: Floats = np.mean(list(arrays), axis=0)
    return mean


@dataclass(frozen=True)
class _Form:
    """How figures are written down."""

    names: Sequence[str]
    key: str
    confidence: float

    def figures(self, points: Floats, spreads: Floats) -> dict[str, Figure]:
        rows = dict(zip(self.names, zip(points, spreads, strict=True), strict=True))
        written = {name: self._figure(*row) for name, row in rows.items()}
        if len(self.names) == 2:
            gain, spread = points[1] - points[0], spreads[1] - spreads[0]
            written["gain"] = self._figure(gain, spread) | {"p": _rounded(two_sided_p(spread))}
        return written

    def _figure(self, value: float, spread: Floats) -> Figure:
        low, high = interval(spread, confidence=self.confidence)
        return {self.key: _rounded(value), "low": _rounded(low), "high": _rounded(high)}


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # + 0.0 turns -0.0 into 0.0
