"""What the expectations look at that is not a column yet, computed in polars.

Great Expectations has no polars, and no form for some of our questions; each becomes a column.
"""

from collections.abc import Mapping

import polars as pl

from stages.curation.flaws import (
    any_written,
    copies_premise_expression,
    leftover_expression,
    repeats_itself_expression,
)
from stages.curation.rules import TOLERANCE
from stages.curation.steering import steers_judge_expression
from stages.errors import PipelineError
from stages.tables.columns import WRITTEN
from stages.tables.schemas import Schema

NAME = pl.concat_str("id", "sample", separator="/")
"""What tells a triplet from all others."""


def curated_facts(
    curated: pl.DataFrame, *, gamma: float, triplets_per_premise: int, script: str | None
) -> pl.DataFrame:
    """Return CURATED with the columns that its expectations name besides its own."""
    crowded = pl.int_range(pl.len()).over("id") >= triplets_per_premise
    return curated.with_columns(
        **row_facts(gamma=gamma, script=script),
        repeated_elsewhere=_repeated_elsewhere(curated).fill_null(value=False),
        too_many_samples=crowded.fill_null(value=False),
    )


def row_facts(*, gamma: float, script: str | None) -> dict[str, pl.Expr]:
    """Return, over CURATED, what can be said of a row without looking at the others, by name."""
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    facts = {
        "scores_finite": a.is_finite() & b.is_finite(),
        "copies_premise": copies_premise_expression(),
        "repeats_itself": repeats_itself_expression(),
        "prompt_leftover": leftover_expression(),
        "steers_judge": steers_judge_expression() & ~leftover_expression(),
        "other_script": _other_script(script),
    }
    return {
        "name": NAME,
        "contradiction_score_plus_gamma": b + gamma - TOLERANCE,
        **{name: fact.fill_null(value=False) for name, fact in facts.items()},
    }


def rejected_facts(rejected: pl.DataFrame, curated: pl.DataFrame) -> pl.DataFrame:
    """Return REJECTED with ``name``, and ``also_curated``: whether it stands in ``curated``."""
    kept = curated.select(NAME.alias("name")).unique().with_columns(also_curated=True)
    named = rejected.with_columns(NAME.alias("name"))
    joined = named.join(kept, on="name", how="left", maintain_order="left")
    return joined.with_columns(pl.col("also_curated").fill_null(value=False))


def schema_facts(found: Schema | pl.Schema, wanted: Schema) -> pl.DataFrame:
    """Return a row per column of either schema: ``column``, ``found`` and ``wanted`` types."""
    names = list(dict.fromkeys([*wanted, *found]))
    return pl.DataFrame(
        {
            "column": names,
            "found": [_type(found, name) for name in names],
            "wanted": [_type(wanted, name) for name in names],
        },
        schema={"column": pl.String, "found": pl.String, "wanted": pl.String},
    )


def check_script(script: str) -> None:
    """Refuse a name that Unicode does not give to a script.

    Raises:
        PipelineError: When there is no such script.
    """
    if not _is_script(script):
        raise PipelineError(
            f"validate.script = {script!r} is not the name of a Unicode script.",
            remedy="name one such as Latin, Cyrillic, Greek, Arabic or Han; null accepts any.",
        )


def _is_script(name: str) -> bool:
    if not name.replace("_", "").isalpha():  # it becomes a part of a regular expression
        return False
    try:
        pl.select(pl.lit("a").str.contains(_letters_outside(name)))
    except pl.exceptions.ComputeError:
        return False
    return True


def _type(schema: Mapping[str, object], name: str) -> str:
    kind = schema.get(name)
    return "no such column" if kind is None else str(kind)


def _repeated_elsewhere(curated: pl.DataFrame) -> pl.Expr:
    """Return whether a written sentence stands in another row, too."""
    rows = curated.select(*WRITTEN).with_row_index("row")
    # A row whose two sentences are alike does not repeat another row: it has a check of its own.
    written = rows.unpivot(WRITTEN, index="row", value_name="text").unique(["row", "text"])
    often = written.group_by("text").len().filter(pl.col("len") > 1)["text"]
    return any_written(lambda text: text.is_in(often.implode()))


def _other_script(script: str | None) -> pl.Expr:
    """Return whether a letter belongs to another Unicode script."""
    if script is None:
        return pl.lit(value=False)
    return any_written(lambda text: text.str.contains(_letters_outside(script)))


def _letters_outside(script: str) -> str:
    # Some letters, such as the micro sign, belong to all scripts.
    return rf"[\p{{L}}--[\p{{Script={script}}}\p{{Script=Common}}\p{{Script=Inherited}}]]"
