"""Stage 2 of MultiCSR (section 3.2): which scored triplets are good enough to train on."""

from collections.abc import Iterable

import polars as pl

from stages.curation.flaws import flaw_expression
from stages.tables.columns import TEXTS, WRITTEN
from stages.tables.conditions import Where

TOLERANCE = 1e-9
"""Scores such as 3.3 and 2.3 are not a full 1.0 apart in binary; all rules allow for that."""
GAP = pl.col("entailment_score") - pl.col("contradiction_score")
SWAPPED = ("", "_instruction", "_finished", "_score", "_answer", "_scores")
REASONS = (
    "empty",
    "unfinished",
    "prompt_leftover",
    "steers_judge",
    "copies_premise",
    "contradiction_repeats_entailment",
    "not_asked",
    "score_unreadable",
    "entailment_too_far",
    "contradiction_too_near",
    "gap_too_small",
    "condition_not_met",
    "outdone",
)
"""Every reason a triplet may be rejected for; the first that holds is given."""
Reason = pl.Enum(REASONS)
JUDGED = (
    "id",
    "sample",
    *TEXTS,
    *(f"{name}{part}" for part in ("_finished", "_score") for name in WRITTEN),
)
"""Columns of SCORED that the rules look at."""


def judged(
    scored: pl.DataFrame,
    *,
    alpha: float,
    beta: float,
    gamma: float,
    triplets_per_premise: int,
    swap_reversed: bool,
    where: Where | None = None,
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
        where: Says which rows meet one more condition, which a kept triplet has to.

    Returns:
        As many rows in the same order.
    """
    table = swapped(scored) if swap_reversed else scored
    reasons = reasons_of(
        [table],
        alpha=alpha,
        beta=beta,
        gamma=gamma,
        triplets_per_premise=triplets_per_premise,
        where=where,
    )
    return table.with_columns(reason=reasons.cast(pl.String))


def reasons_of(
    parts: Iterable[pl.DataFrame],
    *,
    alpha: float,
    beta: float,
    gamma: float,
    triplets_per_premise: int,
    where: Where | None = None,
    asked: Where | None = None,
) -> pl.Series:
    """Return what :func:`judged` says of a table that comes in parts, a byte a row.

    Args:
        parts: Rows of SCORED in order, of which JUDGED and what the conditions look at is enough,
            already swapped where they are to be.
        alpha: As there, like the rest.
        beta: As there.
        gamma: As there.
        triplets_per_premise: As there.
        where: As there.
        asked: Says which rows every judge was asked about; the others are ``not_asked``.

    Returns:
        ``reason``, an Enum, for all rows.
    """
    reason = _first_reason(alpha=alpha, beta=beta, gamma=gamma).cast(Reason)
    found = [pl.Series("reason", [], Reason)]
    passed = []
    for part in parts:
        first = _with_conditions(reason, part, where=where, asked=asked)
        columns = part.lazy().select("id", "sample", gap=GAP, reason=first)
        rows = columns.collect().with_row_index("row", offset=sum(map(len, found)))
        found.append(rows["reason"])
        passed.append(rows.filter(pl.col("reason").is_null()).drop("reason"))
    reasons = pl.concat(found)
    if not passed:
        return reasons
    outdone = _outdone(pl.concat(passed), triplets_per_premise)
    return reasons.scatter(outdone, pl.Series(["outdone"], dtype=Reason))


def _with_conditions(
    reason: pl.Expr, part: pl.DataFrame, *, where: Where | None, asked: Where | None
) -> pl.Expr:
    if asked is not None:
        unscored = (reason == "score_unreadable") & ~asked(part)
        reason = pl.when(unscored).then(pl.lit("not_asked", dtype=Reason)).otherwise(reason)
    if where is not None:
        unmet = pl.when(~where(part)).then(pl.lit("condition_not_met", dtype=Reason))
        reason = pl.coalesce(reason, unmet)
    return reason


def _first_reason(*, alpha: float, beta: float, gamma: float) -> pl.Expr:
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    broken_rules = {
        "score_unreadable": ~(a.is_finite() & b.is_finite()).fill_null(value=False),
        "entailment_too_far": a < alpha - TOLERANCE,
        "contradiction_too_near": b > beta + TOLERANCE,
        "gap_too_small": a < b + gamma - TOLERANCE,
    }
    verdicts = (pl.when(broken).then(pl.lit(name)) for name, broken in broken_rules.items())
    return pl.coalesce(flaw_expression(), *verdicts)


def _outdone(passed: pl.DataFrame, count: int) -> pl.Series:
    """Return, of rows that pass, ``row`` of all but the ``count`` widest gaps of each premise."""
    crowded = passed.filter(pl.len().over("id") > count)
    order = crowded.sort(-pl.col("gap"), "sample", "row")
    return order.filter(pl.int_range(pl.len()).over("id") >= count)["row"].sort()


def swapped(scored: pl.DataFrame) -> pl.DataFrame:
    """Exchange the two hypotheses, with all that is there of them, where b > a."""
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    # Polars orders NaN above every number, but a score that is none is not greater.
    reversed_ = a.is_finite() & b.is_finite() & (b > a)
    named = [(f"entailment{part}", f"contradiction{part}") for part in SWAPPED]
    pairs = [pair for pair in named if pair[0] in scored.columns]
    return scored.with_columns(
        pl.when(reversed_).then(pl.col(other)).otherwise(pl.col(own)).alias(own)
        for pair in pairs
        for own, other in (pair, pair[::-1])
    )
