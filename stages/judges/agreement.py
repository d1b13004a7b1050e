"""How well a judge agrees with people: rank correlation on pairs that people graded."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stages.evaluation.bootstrap import interval, resampled_spearman
from stages.evaluation.comparison import Resampling
from stages.judges.protocol import Judge, Judgement
from stages.progress import Progress, silent

Floats = NDArray[np.float64]
SIMILAR, UNRELATED = (4.5, 5.0), (0.0, 0.5)
"""Grades, both ends included, whose mean scores show where the two ends of the scale lie."""


@dataclass(frozen=True)
class Agreement:
    """What a judge's scores are worth on graded pairs."""

    judge: str
    pairs: int
    unreadable: int
    """Pairs without a score; the figures below are over the others."""
    spearman: float | None
    """In [-1, 1]; None where nothing can be ranked."""
    low: float | None
    high: float | None
    """Bounds of the bootstrap interval."""
    similar: float | None
    """Mean score of the pairs graded 4.5 to 5."""
    unrelated: float | None
    """Mean score of the pairs graded 0 to 0.5."""


def drawn(pairs: pl.DataFrame, limit: int | None, *, seed: int) -> pl.DataFrame:
    """Return ``limit`` rows of ``pairs`` drawn by ``seed``, in their order; all without a limit."""
    if limit is None or limit >= len(pairs):
        return pairs
    rows = np.random.default_rng(seed).choice(len(pairs), size=limit, replace=False)
    return pairs.select(pl.all().gather(np.sort(rows)))


def judged_pairs(
    judge: Judge, pairs: pl.DataFrame, *, batch_pairs: int, progress: Progress = silent
) -> list[Judgement]:
    """Return one judgement a row of PAIRS, ``batch_pairs`` at a time."""
    judgements: list[Judgement] = []
    with progress(f"judge {judge.name}", total=len(pairs), unit="pairs") as advance:
        for batch in pairs.select("sentence1", "sentence2").iter_slices(batch_pairs):
            judgements += judge.judge(list(batch.iter_rows()))
            advance(len(batch))
    return judgements


def agreement(
    judge: str, scores: Sequence[float | None], grades: Floats, resampling: Resampling
) -> Agreement:
    """Compare ``scores`` with what people said, ``grades`` in [0, 5], pair by pair."""
    values = np.array([np.nan if score is None else score for score in scores], dtype=float)
    readable = ~np.isnan(values)
    values, known = values[readable], grades[readable]
    spearman, low, high = _correlation(values, known, resampling)
    return Agreement(
        judge=judge,
        pairs=len(grades),
        unreadable=int((~readable).sum()),
        spearman=spearman,
        low=low,
        high=high,
        similar=_mean_between(values, known, SIMILAR),
        unrelated=_mean_between(values, known, UNRELATED),
    )


def _correlation(
    scores: Floats, grades: Floats, resampling: Resampling
) -> tuple[float | None, float | None, float | None]:
    if len(scores) < 2 or not np.ptp(scores) > 0 or not np.ptp(grades) > 0:
        return None, None, None
    spread = resampled_spearman(
        [scores], grades, samples=resampling.samples, seed=[resampling.seed]
    )
    bounds = interval(spread[0], confidence=resampling.confidence)
    return float(spearmanr(scores, grades).statistic), *bounds


def _mean_between(scores: Floats, grades: Floats, bounds: tuple[float, float]) -> float | None:
    chosen = scores[(grades >= bounds[0]) & (grades <= bounds[1])]
    return float(chosen.mean()) if len(chosen) else None
