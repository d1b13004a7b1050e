"""Stage 2 of MultiCSR (section 3.2): which scored triplets are good enough to train on."""

import polars as pl

from stages.curation.flaws import flaw_expression

TOLERANCE = 1e-9
"""Scores such as 3.3 and 2.3 are not a full 1.0 apart in binary; all rules allow for that."""
SWAPPED = ("", "_instruction", "_finished", "_score", "_answer")
REASONS = (
    "empty",
    "unfinished",
    "prompt_leftover",
    "copies_premise",
    "contradiction_repeats_entailment",
    "score_unreadable",
    "entailment_too_far",
    "contradiction_too_near",
    "gap_too_small",
)
"""Every reason a triplet may be rejected for; the first that holds is given."""


def judged(
    scored: pl.DataFrame, *, alpha: float, beta: float, gamma: float, swap_reversed: bool
) -> pl.DataFrame:
    """Add ``reason`` to every triplet: why it is rejected, null where it is kept.

    A triplet is kept iff its text has no flaw, both scores could be read, and
    ``a >= alpha and b <= beta and a >= b + gamma``, all inclusive.

    Args:
        scored: SCORED; a = ``entailment_score``, b = ``contradiction_score``, both in [0, 5].
        alpha: Least a.
        beta: Greatest b.
        gamma: Least gap between them.
        swap_reversed: Where b > a, exchange entailment and contradiction first; not on a tie.

    Returns:
        As many rows in the same order.
    """
    table = _swapped(scored) if swap_reversed else scored
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    broken_rules = {
        "score_unreadable": ~(a.is_finite() & b.is_finite()).fill_null(value=False),
        "entailment_too_far": a < alpha - TOLERANCE,
        "contradiction_too_near": b > beta + TOLERANCE,
        "gap_too_small": a < b + gamma - TOLERANCE,
    }
    verdicts = (pl.when(broken).then(pl.lit(name)) for name, broken in broken_rules.items())
    return table.with_columns(reason=pl.coalesce(flaw_expression(), *verdicts))


def _swapped(scored: pl.DataFrame) -> pl.DataFrame:
    """Exchange the two hypotheses, with all that belongs to them, where b > a."""
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    # Polars orders NaN above every number, but a score that is none is not greater.
    reversed_ = a.is_finite() & b.is_finite() & (b > a)
    pairs = [(f"entailment{part}", f"contradiction{part}") for part in SWAPPED]
    return scored.with_columns(
        pl.when(reversed_).then(pl.col(other)).otherwise(pl.col(own)).alias(own)
        for pair in pairs
        for own, other in (pair, pair[::-1])
    )
