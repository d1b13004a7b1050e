"""Several judges' similarities of the same triplets, made into one a and one b."""

from collections.abc import Mapping

import numpy as np
import polars as pl

from stages.equations.similarity_scores import combined_scores
from stages.tables.columns import WRITTEN

READINGS = {"min": ("min", "min"), "mean": ("mean", "mean"), "all": ("min", "max")}
"""How a = ``entailment_score`` and b = ``contradiction_score`` are read from several judges.

With ``all`` every judge must vouch for a triplet. Curation asks for a great a and a small b, so
the least a and the greatest b are what the most doubtful judge says: whatever the thresholds, a
triplet that passes them so passes them with each judge alone. ``min`` takes the least b as well,
which is lenient towards contradictions.
"""


def combined(opinions: Mapping[str, pl.DataFrame], combine: str) -> pl.DataFrame:
    """Make one SCORED table out of one a judge.

    Args:
        opinions: SCORED by the judge's name, all of the same triplets in the same order.
        combine: A key of ``READINGS``.

    Returns:
        The triplets with both combined scores, empty where any judge's is; the lists of scores hold
        one a judge, in the order of ``opinions``; the answers become what
        every judge said, such as ``forward 3.21 (0.642015), encoder 4.80 (0.960000)``: name, score
        and in brackets what the score was read from. With one judge, its table as it is.
    """
    tables = list(opinions.values())
    if len(tables) == 1:
        return tables[0]
    columns = [
        column
        for side, how in zip(WRITTEN, READINGS[combine], strict=True)
        for column in (
            _scores(side, tables, how),
            _answers(side, opinions),
            _each(side, tables),
        )
    ]
    return tables[0].with_columns(columns)


def _scores(side: str, tables: list[pl.DataFrame], how: str) -> pl.Series:
    name = f"{side}_score"
    rows = [table[name].cast(pl.Float64).fill_null(float("nan")).to_numpy() for table in tables]
    return pl.Series(name, combined_scores(np.stack(rows), how)).fill_nan(None)


def _each(side: str, tables: list[pl.DataFrame]) -> pl.Series:
    name = f"{side}_scores"
    lists = [pl.lit(table[name]) for table in tables]
    return pl.select(pl.concat_list(lists).alias(name)).to_series()


def _answers(side: str, opinions: Mapping[str, pl.DataFrame]) -> pl.Series:
    texts = [
        [_told(name, *said) for said in table.select(f"{side}_score", f"{side}_answer").iter_rows()]
        for name, table in opinions.items()
    ]
    joined = [", ".join(filter(None, said)) for said in zip(*texts, strict=True)]
    return pl.Series(f"{side}_answer", joined, dtype=pl.String)


def _told(name: str, score: float | None, answer: str) -> str:
    if score is None and not answer:  # it was not asked
        return ""
    return f"{name} {'-' if score is None else f'{score:.2f}'} ({answer})"
