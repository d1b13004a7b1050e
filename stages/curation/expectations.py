"""What the curated and the rejected table must look like, as Great Expectations.

Great Expectations has no polars, so what a check needs is computed in polars first
(``stages.curation.facts``) and handed over as columns; its own expectations do the judging and
fill its Data Docs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, floor

import polars as pl

from stages.curation.facts import check_script, curated_facts, rejected_facts, schema_facts
from stages.curation.rules import REASONS, TOLERANCE
from stages.tables.columns import WRITTEN
from stages.tables.schemas import CURATED, REJECTED

CRITICAL, WARNING = "critical", "warning"
SCORE_MAX = 5.0


@dataclass(frozen=True)
class Limits:
    """Bounds that the checks hold the tables against; see ``stages.params``."""

    alpha: float
    beta: float
    gamma: float
    triplets_per_premise: int
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
    frame: str | None = None
    """Name of the frame looked at where that is not ``table`` itself."""

    @property
    def key(self) -> str:
        """Name of the check among those of all tables."""
        return f"{self.table}.{self.name}"

    @property
    def looks_at(self) -> str:
        """Name of the frame that the expectation runs on."""
        return self.frame or self.table

    @property
    def columns(self) -> set[str]:
        """Names of the columns that the expectation reads."""
        named = (self.arguments.get(key) for key in ("column", "column_A", "column_B"))
        return {column for column in named if isinstance(column, str)}


def observed(
    curated: pl.DataFrame, rejected: pl.DataFrame, limits: Limits
) -> dict[str, pl.DataFrame]:
    """Return the frames that the checks look at, by name.

    Where a table has other columns than it should, only the frames of the schemas are returned:
    nothing else can be computed then.

    Raises:
        PipelineError: When ``limits.script`` is no Unicode script.
    """
    if limits.script is not None:
        check_script(limits.script)
    frames = whole_frames(curated.schema, rejected.schema, kept=len(curated))
    if well_formed(frames):
        frames |= {
            "curated": curated_facts(
                curated,
                gamma=limits.gamma,
                triplets_per_premise=limits.triplets_per_premise,
                script=limits.script,
            ),
            "rejected": rejected_facts(rejected, curated),
        }
    return frames


def whole_frames(curated: pl.Schema, rejected: pl.Schema, *, kept: int) -> dict[str, pl.DataFrame]:
    """Return the frames that say something of the tables as such, and nothing of their rows."""
    return {
        "curated schema": schema_facts(curated, CURATED),
        "rejected schema": schema_facts(rejected, REJECTED),
        "curated rows": pl.DataFrame({"rows": [kept]}),
    }


def well_formed(frames: Mapping[str, pl.DataFrame]) -> bool:
    """Return whether both tables have the columns they should."""
    schemas = (frames["curated schema"], frames["rejected schema"])
    return all(schema["found"].equals(schema["wanted"]) for schema in schemas)


def checks(limits: Limits, *, rows: int) -> list[Check]:
    """Return all checks, for ``rows`` triplets before curation."""
    return [
        _schema("curated"),
        *_identity("curated"),
        _never(
            *("curated", "too_many_samples"),
            f"at most {limits.triplets_per_premise} triplets of a premise are kept",
        ),
        *_kept_text(limits),
        *_kept_scores(limits),
        *_kept_whole(limits, rows=rows),
        _schema("rejected"),
        *_identity("rejected"),
        _no_null("rejected", "reason"),
        Check(
            "rejected",
            "reason_known",
            CRITICAL,
            "ExpectColumnValuesToBeInSet",
            "every rejected row has one of the known reasons",
            {"column": "reason", "value_set": list(REASONS)},
        ),
        _never("rejected", "also_curated", "no triplet is both kept and rejected"),
    ]


def _schema(table: str) -> Check:
    return Check(
        table,
        "schema",
        CRITICAL,
        "ExpectColumnPairValuesToBeEqual",
        "every column is there with its type, and no other",
        {"column_A": "found", "column_B": "wanted"},
        frame=f"{table} schema",
    )


def _identity(table: str) -> list[Check]:
    kind = "ExpectColumnValuesToBeUnique"
    return [
        _no_null(table, "id"),
        _no_null(table, "sample"),
        Check(
            *(table, "ids_unique", CRITICAL, kind),
            "every sample of every id stands once",
            {"column": "name"},
        ),
        _no_null(table, "premise"),
    ]


def _kept_text(limits: Limits) -> list[Check]:
    return [
        *(_no_null("curated", column) for column in WRITTEN),
        *(_length(column, limits.max_characters) for column in WRITTEN),
        _never("curated", "copies_premise", "what was written differs from the premise"),
        _never("curated", "repeats_itself", "entailment and contradiction differ"),
        _never("curated", "prompt_leftover", "nothing of the prompt is left in the text"),
        _never("curated", "steers_judge", "no text talks to the judge"),
    ]


def _kept_scores(limits: Limits) -> list[Check]:
    return [
        Check(
            "curated",
            "scores_finite",
            CRITICAL,
            "ExpectColumnValuesToBeInSet",
            "both scores are numbers",
            {"column": "scores_finite", "value_set": [True]},
        ),
        _between("entailment_score", limits.alpha, SCORE_MAX, "a lies between alpha and 5"),
        _between("contradiction_score", 0.0, limits.beta, "b lies between 0 and beta"),
        Check(
            "curated",
            "gap_wide_enough",
            CRITICAL,
            "ExpectColumnPairValuesAToBeGreaterThanB",
            "a >= b + gamma",
            {
                "column_A": "entailment_score",
                "column_B": "contradiction_score_plus_gamma",
                "or_equal": True,
                # A score that is missing is a fault of its own, found by scores_finite.
                "ignore_row_if": "either_value_is_missing",
            },
        ),
    ]


def _kept_whole(limits: Limits, *, rows: int) -> list[Check]:
    low, high = limits.kept_ratio_min, limits.kept_ratio_max
    script = limits.script
    return [
        # Shares are written in decimals, which binary numbers only come near to.
        _kept_share(
            "kept_share_low",
            CRITICAL,
            f"at least {low:.1%} of the {rows:,} triplets are kept, and not none",
            {"min_value": max(1, ceil(rows * low - TOLERANCE))},
        ),
        _kept_share(
            "kept_share_high",
            WARNING,
            f"at most {high:.1%} of the {rows:,} triplets are kept",
            {"max_value": floor(rows * high + TOLERANCE)},
        ),
        _seldom(
            "repeated_elsewhere",
            1 - limits.duplicate_ratio_max,
            f"at most {limits.duplicate_ratio_max:.1%} of the rows repeat another row's sentence",
        ),
        *(
            [
                _seldom(
                    "other_script",
                    limits.script_ratio_min,
                    f"at least {limits.script_ratio_min:.1%} of the rows are in {script} alone",
                )
            ]
            if script
            else []
        ),
    ]


def _no_null(table: str, column: str) -> Check:
    kind = "ExpectColumnValuesToNotBeNull"
    return Check(
        table, f"{column}_not_null", CRITICAL, kind, f"{column} is there", {"column": column}
    )


def _length(column: str, longest: int) -> Check:
    return Check(
        "curated",
        f"{column}_length",
        CRITICAL,
        "ExpectColumnValueLengthsToBeBetween",
        f"{column} has 1 to {longest} characters",
        {"column": column, "min_value": 1, "max_value": longest},
    )


def _between(column: str, low: float, high: float, description: str) -> Check:
    arguments = {"column": column, "min_value": low - TOLERANCE, "max_value": high + TOLERANCE}
    kind = "ExpectColumnValuesToBeBetween"
    return Check("curated", f"{column}_range", CRITICAL, kind, description, arguments)


def _never(table: str, column: str, description: str) -> Check:
    arguments: dict[str, object] = {"column": column, "value_set": [False]}
    kind = "ExpectColumnValuesToBeInSet"
    return Check(table, f"no_{column}", CRITICAL, kind, description, arguments)


def _seldom(column: str, mostly: float, description: str) -> Check:
    share = max(0.0, round(mostly, 9) - TOLERANCE)
    arguments = {"column": column, "value_set": [False], "mostly": share}
    kind = "ExpectColumnValuesToBeInSet"
    return Check("curated", f"few_{column}", WARNING, kind, description, arguments)


def _kept_share(name: str, severity: str, description: str, bounds: dict[str, object]) -> Check:
    # Of a frame that holds the number: what is shown of the table itself may be a sample.
    kind, frame = "ExpectColumnMaxToBeBetween", "curated rows"
    arguments = {"column": "rows", **bounds}
    return Check("curated", name, severity, kind, description, arguments, frame=frame)
