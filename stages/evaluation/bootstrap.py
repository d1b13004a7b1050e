"""How far a rank correlation may be off: percentile bootstrap over the graded pairs."""

import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

CELLS_AT_ONCE = 1_000_000
"""Pairs times resamples held in memory together: some 50 MB."""


def resampled_spearman(
    cosines: Sequence[Floats], scores: Floats, *, samples: int, seed: Sequence[int]
) -> Floats:
    """Return the Spearman correlations of ``samples`` resamples of the pairs.

    All encoders see the same resamples, so that the difference of two rows is paired.

    Args:
        cosines: One array ``(pairs,)`` an encoder.
        scores: ``(pairs,)``, what people said.
        samples: Number of resamples, each of as many pairs as there are, drawn with replacement.
        seed: Entropy of the draw.

    Returns:
        ``(encoders, samples)`` in [-1, 1]; 0 where a resample leaves nothing to rank.
    """
    blocks = [
        [spearman_of_counts(values, scores, counts) for values in cosines]
        for counts in _drawn_counts(len(scores), samples, np.random.default_rng(seed))
    ]
    return np.concatenate([np.stack(block) for block in blocks], axis=1)


def resampled_means(values: Sequence[Floats], *, samples: int, seed: Sequence[int]) -> Floats:
    """Return the means of ``samples`` resamples of the items, the same ones for all encoders.

    Args:
        values: One array ``(items,)`` an encoder.
        samples: Number of resamples, each of as many items as there are, drawn with replacement.
        seed: Entropy of the draw.

    Returns:
        ``(encoders, samples)``.
    """
    table = np.stack(values, axis=1)
    blocks = [
        counts @ table / len(table)
        for counts in _drawn_counts(len(table), samples, np.random.default_rng(seed))
    ]
    means: Floats = np.concatenate(blocks).T
    return means


def two_sided_p(gains: Floats) -> float:
    """Return how likely resamples put the gain on the other side of zero, counting both sides.

    Args:
        gains: ``(samples,)``, the gains of resamples.

    Returns:
        2 / (samples + 1) at least, for chance alone may explain what no resample shows; 1 at most.
    """
    least = min((gains <= 0).sum(), (gains >= 0).sum())
    return float(min(1.0, 2 * (least + 1) / (len(gains) + 1)))


def spearman_of_counts(left: Floats, right: Floats, counts: Counts) -> Floats:
    """Return the Spearman correlation of pairs that occur so many times, a row of counts each.

    Counting how often a pair was drawn instead of copying it means that nothing is sorted a
    second time: average ranks follow from running totals of the counts.

    Args:
        left: ``(pairs,)``.
        right: ``(pairs,)``.
        counts: ``(resamples, pairs)``, all rows with the same sum.

    Returns:
        ``(resamples,)`` in [-1, 1]; 0 where either side is constant.
    """
    middle = (counts[0].sum() + 1) / 2
    a, b = (_average_ranks(values, counts) - middle for values in (left, right))
    products = [np.einsum("ij,ij,ij->i", counts, x, y) for x, y in ((a, b), (a, a), (b, b))]
    scale = np.sqrt(products[1] * products[2])
    correlation: Floats = np.divide(products[0], scale, out=np.zeros_like(scale), where=scale > 0)
    return correlation


def interval(values: Floats, *, confidence: float) -> tuple[float, float]:
    """Return the bounds between which the share ``confidence`` of ``values`` lies, tails equal."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def task_seed(seed: int, task: str) -> tuple[int, int]:
    """Return the entropy of a task's resampling: another task beside it does not change it."""
    return seed, zlib.crc32(task.encode())


def _average_ranks(values: Floats, counts: Counts) -> Floats:
    """Return ``(resamples, pairs)`` ranks from 1; equal values share the mean of their places."""
    distinct, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], np.arange(len(distinct)))
    drawn = np.add.reduceat(counts[:, order], starts, axis=1)
    ranks: Floats = (drawn.cumsum(axis=1) - (drawn - 1) / 2)[:, group]
    return ranks


def _drawn_counts(pairs: int, samples: int, generator: np.random.Generator) -> Iterator[Counts]:
    """Yield ``(block, pairs)``: how often each pair was drawn, until there are ``samples`` rows."""
    rows_at_once = max(1, CELLS_AT_ONCE // pairs)
    for start in range(0, samples, rows_at_once):
        rows = min(rows_at_once, samples - start)
        drawn = generator.integers(pairs, size=(rows, pairs))
        cells = (drawn + pairs * np.arange(rows)[:, None]).ravel()
        yield np.bincount(cells, minlength=rows * pairs).reshape(rows, pairs)
