"""How much of the premise's wording an answer repeats, without asking any model."""

import polars as pl

from stages.curation.flaws import plain_text
from stages.equations.running_mean import RunningMean
from stages.tables.columns import WRITTEN

NEAR_COPY = 0.8
"""Overlap from which an answer counts as a near copy: one word in ten differs."""


def word_overlap(written: str) -> pl.Expr:
    """Return, over TRIPLETS columns, the Jaccard index of the words of premise and ``written``.

    In [0, 1]; words are compared without case and punctuation, each once. 0 where neither has any.
    """
    words = [plain_text(pl.col(name)).str.split(" ") for name in ("premise", written)]
    common = words[0].list.set_intersection(words[1]).list.len()
    either = words[0].list.set_union(words[1]).list.len()
    return (common / either).fill_nan(0.0)


class Closeness:
    """Counts how close the answers are to their premises, by hypothesis."""

    def __init__(self) -> None:
        self._overlap = {name: RunningMean() for name in WRITTEN}
        self._near_copies = dict.fromkeys(WRITTEN, 0)

    def add(self, triplets: pl.DataFrame) -> None:
        """Count some TRIPLETS."""
        for name in WRITTEN:
            overlap = triplets.select(word_overlap(name)).to_series()
            self._overlap[name].add(overlap.to_list())
            self._near_copies[name] += int((overlap >= NEAR_COPY).sum())

    def figures(self) -> dict[str, dict[str, float]]:
        """Return the mean word overlap with the premise and the share of near copies."""
        return {
            name: {
                "word_overlap": round(overlap.mean, 4),
                "near_copies": round(self._near_copies[name] / max(1, overlap.count), 4),
            }
            for name, overlap in self._overlap.items()
        }
