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
    "steers_judge",
    "copies_premise",
    "contradiction_repeats_entailment",
    "score_unreadable",
    "entailment_too_far",
    "contradiction_too_near",
    "gap_too_small",
    "outdone",
)
"""Every reason a triplet may be rejected for; the first that holds is given."""


def judged(
    scored: pl.DataFrame,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    triplets_per_premise: int,
    swap_reversed: bool,
) -> pl.DataFrame:
    """Add ``reason`` to every triplet: why it is rejected, null where it is kept.

    A triplet is kept iff its text has no flaw, both scores could be read,
    ``a >= alpha and b <= beta and a >= b + gamma``, all inclusive, and not too many samples of
    the same premise are better.

    Args:
        scored: SCORED; a = ``entailment_score``, b = ``contradiction_score``, both in [0, 5].
        alpha: Least a.
        beta: Greatest b.
        gamma: Least gap between them.
        triplets_per_premise: Most samples kept of a premise, by ``id``; the widest gaps ``a - b``
            come first, on a tie the earlier sample. The others are ``outdone``.
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
    table = table.with_columns(reason=pl.coalesce(flaw_expression(), *verdicts))
    return _best_of_each_premise(table, triplets_per_premise)


def _best_of_each_premise(table: pl.DataFrame, count: int) -> pl.DataFrame:
    """Give the reason ``outdone`` to all but the ``count`` widest gaps of those that pass."""
    rows = table.with_row_index("row")
    gap = pl.col("entailment_score") - pl.col("contradiction_score")
    passed = rows.filter(pl.col("reason").is_null()).sort(-gap, "sample", "row")
    best = passed.group_by("id", maintain_order=True).head(count)["row"]
    outdone = pl.col("reason").is_null() & ~pl.col("row").is_in(best.implode())
    reason = pl.when(outdone).then(pl.lit("outdone")).otherwise(pl.col("reason"))
    return rows.with_columns(reason=reason).drop("row")


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
