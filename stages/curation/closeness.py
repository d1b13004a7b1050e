"""How much of the premise's wording an answer repeats, without asking any model."""

import polars as pl

from stages.curation.flaws import WRITTEN, plain_text

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


def closeness(triplets: pl.DataFrame) -> dict[str, dict[str, float]]:
    """Return the mean word overlap with the premise and the share of near copies, by hypothesis."""
    found: dict[str, dict[str, float]] = {}
    for name in WRITTEN:
        overlap = triplets.select(word_overlap(name)).to_series().to_numpy()
        figures = {"word_overlap": overlap, "near_copies": overlap >= NEAR_COPY}
        found[name] = {
            what: round(float(values.mean()), 4) if len(values) else 0.0
            for what, values in figures.items()
        }
    return found
