"""What the curated and the rejected table must look like, as Great Expectations.

Great Expectations has no polars, so what a check needs is computed in polars first and handed
over as columns; its own expectations do the judging and fill its Data Docs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from stages.curation.flaws import LEFTOVER, WRITTEN, plain_text
from stages.curation.rules import REASONS, TOLERANCE
from stages.tables import CURATED, REJECTED

TEXTS = ("premise", *WRITTEN)


@dataclass(frozen=True)
class Limits:
    """Bounds that the checks hold the tables against; see ``stages.params``."""

    alpha: float
    beta: float
    gamma: float
    kept_ratio_min: float
    kept_ratio_max: float
    max_characters: int
    duplicate_ratio_max: float
    script: str | None
    script_ratio_min: float


@dataclass(frozen=True)
class Check:
    """One expectation on one table."""

    table: str
    name: str
    severity: str
    """``critical`` stops the pipeline, ``warning`` does not."""
    kind: str
    """Class name in ``great_expectations.expectations``."""
    description: str
    arguments: dict[str, object] = field(default_factory=dict)


def observed(
    curated: pl.DataFrame, rejected: pl.DataFrame, limits: Limits
) -> dict[str, pl.DataFrame]:
    """Return both tables with the columns that the checks look at."""
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    kept = curated.with_columns(
        contradiction_score_plus_gamma=b + limits.gamma - TOLERANCE,
        copies_premise=_any_written(lambda t: plain_text(t) == plain_text(pl.col("premise"))),
        repeats_itself=plain_text(pl.col("entailment")) == plain_text(pl.col("contradiction")),
        prompt_leftover=_any_written(lambda t: t.str.contains(LEFTOVER)),
        repeated_elsewhere=_repeated(curated),
        other_script=_other_script(limits.script),
        scores_finite=a.is_finite() & b.is_finite(),
    )
    thrown = rejected.with_columns(also_curated=pl.col("id").is_in(curated["id"].to_list()))
    return {"curated": kept, "rejected": thrown}


def checks(limits: Limits, *, rows: int) -> list[Check]:
    """Return all checks, for ``rows`` triplets before curation."""
    return [
        *_shape("curated", list(CURATED)),
        *_kept_checks(limits, rows=rows),
        *_shape("rejected", list(REJECTED)),
        Check(
            "rejected",
            "reason_known",
            "critical",
            "ExpectColumnValuesToBeInSet",
            "every rejected row has one of the known reasons",
            {"column": "reason", "value_set": list(REASONS)},
        ),
        _no_null("rejected", "reason"),
        _never("rejected", "also_curated", "no triplet is both kept and rejected"),
    ]


def _shape(table: str, columns: Sequence[str]) -> list[Check]:
    return [
        Check(
            table,
            "schema",
            "critical",
            "ExpectTableColumnsToMatchSet",
            "all columns are there",
            {"column_set": list(columns), "exact_match": False},
        ),
        Check(
            table,
            "ids_unique",
            "critical",
            "ExpectColumnValuesToBeUnique",
            "every id stands once",
            {"column": "id"},
        ),
        *(_no_null(table, column) for column in columns if column in {"id", *TEXTS}),
    ]


def _kept_checks(limits: Limits, *, rows: int) -> list[Check]:
    return [
        *(_length(column, limits.max_characters) for column in WRITTEN),
        _between("entailment_score", limits.alpha, 5.0, "a lies between alpha and 5"),
        _between("contradiction_score", 0.0, limits.beta, "b lies between 0 and beta"),
        Check(
            "curated",
            "gap_wide_enough",
            "critical",
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "a >= b + gamma",
            {
                "column_A": "entailment_score",
                "column_B": "contradiction_score_plus_gamma",
                "or_equal": True,
            },
        ),
        Check(
            "curated",
            "scores_finite",
            "critical",
            "ExpectColumnValuesToBeInSet",
            "both scores are numbers",
            {"column": "scores_finite", "value_set": [True]},
        ),
        _never("curated", "copies_premise", "what was written differs from the premise"),
        _never("curated", "repeats_itself", "entailment and contradiction differ"),
        _never("curated", "prompt_leftover", "nothing of the prompt is left in the text"),
        _kept_share("kept_share_low", "critical", minimum=limits.kept_ratio_min, rows=rows),
        _kept_share("kept_share_high", "warning", maximum=limits.kept_ratio_max, rows=rows),
        _seldom("repeated_elsewhere", 1 - limits.duplicate_ratio_max, "sentences seldom repeat"),
        _seldom("other_script", limits.script_ratio_min, f"text is written in {limits.script}"),
    ]


def _no_null(table: str, column: str) -> Check:
    kind = "ExpectColumnValuesToNotBeNull"
    return Check(
        table, f"{column}_not_null", "critical", kind, f"{column} is there", {"column": column}
    )


def _length(column: str, longest: int) -> Check:
    return Check(
        "curated",
        f"{column}_length",
        "critical",
        "ExpectColumnValueLengthsToBeBetween",
        f"{column} has 1 to {longest} characters",
        {"column": column, "min_value": 1, "max_value": longest},
    )


def _between(column: str, low: float, high: float, description: str) -> Check:
    arguments = {"column": column, "min_value": low - TOLERANCE, "max_value": high + TOLERANCE}
    kind = "ExpectColumnValuesToBeBetween"
    return Check("curated", f"{column}_range", "critical", kind, description, arguments)


def _never(table: str, column: str, description: str) -> Check:
    arguments: dict[str, object] = {"column": column, "value_set": [False]}
    kind = "ExpectColumnValuesToBeInSet"
    return Check(table, f"no_{column}", "critical", kind, description, arguments)


def _seldom(column: str, mostly: float, description: str) -> Check:
    arguments = {"column": column, "value_set": [False], "mostly": mostly}
    kind = "ExpectColumnValuesToBeInSet"
    return Check("curated", f"few_{column}", "warning", kind, description, arguments)


def _kept_share(
    name: str, severity: str, *, rows: int, minimum: float = 0.0, maximum: float = 1.0
) -> Check:
    return Check(
        "curated",
        name,
        severity,
        "ExpectTableRowCountToBeBetween",
        f"between {minimum:.1%} and {maximum:.1%} of the {rows:,} triplets are kept",
        {"min_value": -int(-rows * minimum // 1), "max_value": int(rows * maximum)},
    )


def _any_written(broken: Callable[[pl.Expr], pl.Expr]) -> pl.Expr:
    return pl.any_horizontal(*(broken(pl.col(name)) for name in WRITTEN))


def _repeated(curated: pl.DataFrame) -> pl.Expr:
    """True where a written sentence stands in another row, too."""
    written = pl.concat([curated[name].rename("text") for name in WRITTEN])
    counts = written.value_counts()
    often = counts.filter(pl.col("count") > 1)["text"].to_list()
    return _any_written(lambda text: text.is_in(often))


def _other_script(script: str | None) -> pl.Expr:
    """True where a letter belongs to another Unicode script."""
    if script is None:
        return pl.lit(value=False)
    return _any_written(lambda text: text.str.contains(rf"[\p{{L}}&&[^\p{{{script}}}]]"))
