"""The expectations on tables too long for Great Expectations: every row counted, some shown.

The tables are read some rows at a time. What every check asks of a row is asked of all of them in
polars; Great Expectations then sees a sample, drawn by chance with a seed, and the first rows that
break a check, and its Data Docs say that it is one.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.curation.checking import EXAMPLES, Counted
from stages.curation.expectations import Check, Limits
from stages.curation.facts import NAME, row_facts
from stages.tables.columns import WRITTEN
from stages.tables.reading import rows_at, table_batches
from stages.tables.schemas import CURATED, REJECTED, Schema

SEED = 42
"""Of the sample that is shown."""
Mask = NDArray[np.bool_]
Digests = NDArray[np.uint64]


@dataclass(frozen=True)
class Sampled:
    """What Great Expectations is to see, and what all rows say."""

    frames: dict[str, pl.DataFrame]
    """By name: ``curated`` and ``rejected``."""
    counted: dict[str, Counted]


@dataclass(frozen=True)
class _Table:
    """A table, and what its checks name besides its own columns.

    Args:
        path: The Parquet file.
        schema: Its columns.
        by_row: What can be said of each row alone.
        by_table: What only all rows together say, as a mask of the rows, by name.
    """

    path: Path
    schema: Schema
    by_row: Mapping[str, pl.Expr]
    by_table: Mapping[str, Mask]


def sampled(
    curated: Path, rejected: Path, limits: Limits, checks: Sequence[Check], *, rows: int
) -> Sampled:
    """Hold all rows of both tables against those of ``checks`` that look at rows.

    Args:
        curated: A table with the columns it should have.
        rejected: The same.
        limits: What the checks were made with.
        checks: All of them.
        rows: Of each table, those drawn.
    """
    named = {path: _digests(path, schema, [NAME]) for path, schema in _both(curated, rejected)}
    tables = {
        "curated": _Table(
            curated,
            CURATED,
            row_facts(gamma=limits.gamma, script=limits.script),
            {
                "name_repeated": _name_repeated(curated, CURATED, named[curated][0]),
                "too_many_samples": _too_many(curated, limits.triplets_per_premise),
                "repeated_elsewhere": _repeated_elsewhere(curated),
            },
        ),
        "rejected": _Table(
            rejected,
            REJECTED,
            {"name": NAME},
            {
                "name_repeated": _name_repeated(rejected, REJECTED, named[rejected][0]),
                "also_curated": _also_curated(rejected, curated, named),
            },
        ),
    }
    frames: dict[str, pl.DataFrame] = {}
    counted: dict[str, Counted] = {}
    for name, table in tables.items():
        mine = [check for check in checks if check.looks_at == name]
        frames[name], found = _counted(table, mine, rows=rows)
        counted |= found
    return Sampled(frames, counted)


def _both(curated: Path, rejected: Path) -> tuple[tuple[Path, Schema], ...]:
    return (curated, CURATED), (rejected, REJECTED)


def _counted(
    table: _Table, checks: Sequence[Check], *, rows: int
) -> tuple[pl.DataFrame, dict[str, Counted]]:
    """Return the frame to be shown, and what all rows say."""
    asked = [_asked(check) for check in checks]
    looked_at = np.zeros(len(checks), dtype=np.int64)
    broken = np.zeros(len(checks), dtype=np.int64)
    first: list[list[int]] = [[] for _ in checks]
    questions = [
        answer
        for place, (there, breaks) in enumerate(asked)
        for answer in (
            there.sum().cast(pl.Int64).alias(f"rows {place}"),
            (there & breaks).sum().cast(pl.Int64).alias(f"broken {place}"),
            (there & breaks).arg_true().head(EXAMPLES).implode().alias(f"first {place}"),
        )
    ]
    start = 0
    for batch in table_batches(table.path, table.schema):
        facts = _with_facts(batch, table, slice(start, start + len(batch)))
        (told,) = facts.lazy().select(questions).collect().to_dicts()
        for place in range(len(checks)):
            looked_at[place] += told[f"rows {place}"]
            broken[place] += told[f"broken {place}"]
            first[place] += [start + row for row in told[f"first {place}"]]
        start += len(batch)
    first = [places[:EXAMPLES] for places in first]
    shown = _shown(start, first, rows=rows)
    frame = _with_facts(rows_at(table.path, table.schema, shown), table, shown)
    where = {row: place for place, row in enumerate(shown.tolist())}
    return frame, {
        check.key: Counted(
            rows=int(looked_at[place]),
            unexpected=int(broken[place]),
            first=tuple(where[row] for row in first[place]),
            share_allowed=1 - float(str(check.arguments.get("mostly", 1))),
        )
        for place, check in enumerate(checks)
    }


def _shown(total: int, first: Sequence[Sequence[int]], *, rows: int) -> NDArray[np.int64]:
    """Return which rows are shown: as many drawn by chance, and those that break a check."""
    drawn = random.Random(SEED).sample(range(total), min(rows, total))  # noqa: S311
    return np.unique(np.array([*drawn, *(row for some in first for row in some)], dtype=np.int64))


def _with_facts(rows: pl.DataFrame, table: _Table, places: Any) -> pl.DataFrame:
    known = {name: pl.Series(mask[places]) for name, mask in table.by_table.items()}
    return rows.lazy().with_columns(**table.by_row, **known).collect()


def _asked(check: Check) -> tuple[pl.Expr, pl.Expr]:
    """Return which rows a check looks at and which of them break it, as Great Expectations does."""
    asked: Mapping[str, Any] = check.arguments
    column = pl.col(str(asked.get("column", asked.get("column_A"))))
    there = column.is_not_null()
    match check.kind:
        case "ExpectColumnValuesToNotBeNull":
            return pl.lit(value=True) | there, ~there
        case "ExpectColumnValuesToBeUnique":
            return there, pl.col(f"{asked['column']}_repeated")
        case "ExpectColumnValuesToBeInSet":
            return there, ~column.is_in(asked["value_set"])
        case "ExpectColumnValueLengthsToBeBetween":
            return there, ~column.str.len_chars().is_between(*_bounds(asked))
        case "ExpectColumnValuesToBeBetween":
            return there & column.is_not_nan(), ~column.is_between(*_bounds(asked))
        case "ExpectColumnPairValuesAToBeGreaterThanB":
            other = pl.col(str(asked["column_B"]))
            number = column.is_not_nan() & other.is_not_nan()
            return (there & other.is_not_null() & number).fill_null(value=False), column < other
    message = f"nobody has said how to count {check.kind}"
    raise ValueError(message)


def _bounds(asked: Mapping[str, Any]) -> tuple[Any, Any]:
    return asked["min_value"], asked["max_value"]


def _digests(path: Path, schema: Schema, texts: Sequence[pl.Expr]) -> list[Digests]:
    """Return 8 bytes for each row and text; equal texts have equal ones, and nearly only they."""
    columns = {name for text in texts for name in text.meta.root_names()}
    parts = [
        batch.select(text.alias(str(place)) for place, text in enumerate(texts)).select(
            pl.all().hash()
        )
        for batch in table_batches(path, schema, columns=columns)
    ]
    if not parts:
        return [np.zeros(0, dtype=np.uint64) for _ in texts]
    return [
        pl.concat([part[str(place)] for part in parts]).to_numpy() for place in range(len(texts))
    ]


def _more_often_than(count: int, digests: Digests) -> Digests:
    """Return, in order, the digests that stand there more often."""
    order = np.sort(digests)
    return np.unique(order[count:][order[count:] == order[: max(0, len(order) - count)]])


def _stands_in(digests: Digests, ordered: Digests) -> Mask:
    if not len(ordered):
        return np.zeros(len(digests), dtype=bool)
    places = np.minimum(np.searchsorted(ordered, digests), len(ordered) - 1)
    return np.asarray(ordered[places] == digests)


def _name_repeated(path: Path, schema: Schema, digests: Digests) -> Mask:
    """Return which rows share their name with another; digests find them, the names decide."""
    mask = _stands_in(digests, _more_often_than(1, digests))
    names = _names(path, schema, mask)
    return _narrowed(mask, names.is_duplicated() & names.is_not_null())


def _also_curated(rejected: Path, curated: Path, named: Mapping[Path, Sequence[Digests]]) -> Mask:
    mask = _stands_in(named[rejected][0], np.sort(named[curated][0]))
    suspects = np.sort(named[rejected][0][mask])
    kept = _names(curated, CURATED, _stands_in(named[curated][0], suspects))
    names = _names(rejected, REJECTED, mask)
    return _narrowed(mask, names.is_in(kept.implode()).fill_null(value=False))


def _too_many(curated: Path, allowed: int) -> Mask:
    """Return which rows come after ``allowed`` others of the same id."""
    (digests,) = _digests(curated, CURATED, [pl.col("id")])
    mask = _stands_in(digests, _more_often_than(allowed, digests))
    ids = rows_at(curated, CURATED, np.flatnonzero(mask), columns=["id"])
    return _narrowed(mask, ids.select(pl.int_range(pl.len()).over("id") >= allowed).to_series())


def _repeated_elsewhere(curated: Path) -> Mask:
    """Return which rows hold a written sentence that stands in another row, too, by digests."""
    one, other = _digests(curated, CURATED, [pl.col(name) for name in WRITTEN])
    # A row whose two sentences are alike does not repeat another row.
    often = _more_often_than(1, np.concatenate([one, other[other != one]]))
    missing = pl.Series([None], dtype=pl.String).hash().to_numpy()
    often = often[~np.isin(often, missing)]
    return _stands_in(one, often) | _stands_in(other, often)


def _names(path: Path, schema: Schema, mask: Mask) -> pl.Series:
    rows = rows_at(path, schema, np.flatnonzero(mask), columns=["id", "sample"])
    return rows.select(NAME.alias("name")).to_series()


def _narrowed(mask: Mask, kept: pl.Series) -> Mask:
    """Leave those of the rows in ``mask`` that ``kept`` says."""
    narrowed = np.zeros_like(mask)
    narrowed[np.flatnonzero(mask)[kept.to_numpy()]] = True
    return narrowed
