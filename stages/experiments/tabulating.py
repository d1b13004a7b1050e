"""Figures of runs become rows: mean and standard deviation over the seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from stages.experiments.definitions import Column, Value

BASE_ROW_SEED = -1
PLUS_MINUS = "\N{PLUS-MINUS SIGN}"


@dataclass(frozen=True)
class Measured:
    """What one run gave.

    Attributes:
        row: Row of the table.
        seed: Seed of the run.
        figures: By column.
        base: By column, the same of the encoder before training.
        places: Where on each axis the run stands.
    """

    row: str
    seed: int
    figures: Mapping[str, float]
    base: Mapping[str, float] = field(default_factory=dict)
    places: Mapping[str, Value] = field(default_factory=dict)


def tabulated(
    measured: Sequence[Measured], columns: Sequence[Column], *, base: str
) -> pl.DataFrame:
    """Return one row a place of the grid, in the order of the runs.

    Args:
        measured: The runs that ended well.
        columns: The figures.
        base: Name of the row of the encoder before training; there is one where any column has it.

    Returns:
        ``row``, ``seeds`` (how many runs), and for each column its mean under its name and the
        standard deviation of the sample under ``NAME_sd``: null for a single run.
    """
    names = [column.name for column in columns]
    rows = [{"row": one.row, "seed": one.seed, **one.figures} for one in measured]
    schema = {"row": pl.String, "seed": pl.Int64} | dict.fromkeys(names, pl.Float64)
    table = pl.DataFrame(rows, schema=schema)
    means = table.group_by("row", maintain_order=True).agg(
        pl.len().cast(pl.Int64).alias("seeds"),
        *(pl.col(name).mean() for name in names),
        *(pl.col(name).std().alias(f"{name}_sd") for name in names),
    )
    order = ["row", "seeds", *(part for name in names for part in (name, f"{name}_sd"))]
    return pl.concat([_base(measured, names, base, means.schema), means]).select(order)


def _base(
    measured: Sequence[Measured], names: Sequence[str], base: str, schema: pl.Schema
) -> pl.DataFrame:
    first = next((one.base for one in measured if one.base), None)
    if first is None:
        return pl.DataFrame(schema=schema)
    row = {"row": base, "seeds": 1, **{name: first.get(name) for name in names}}
    return pl.DataFrame([row], schema=schema)


def cell(mean: float | None, deviation: float | None, *, digits: int) -> str:
    """Write a figure as the table shows it.

    >>> cell(79.876, 0.123, digits=2), cell(79.876, None, digits=1), cell(None, None, digits=2)
    ('79.88 ± 0.12', '79.9', '-')
    """
    if mean is None:
        return "-"
    if deviation is None:
        return f"{mean:,.{digits}f}"
    return f"{mean:,.{digits}f} {PLUS_MINUS} {deviation:,.{digits}f}"


def shown(table: pl.DataFrame, columns: Sequence[Column]) -> tuple[list[str], list[list[str]]]:
    """Return titles and cells of :func:`tabulated`'s table as text."""
    titles = ["", "seeds", *(column.title for column in columns)]
    cells = [
        [
            row["row"],
            str(row["seeds"]),
            *(cell(row[c.name], row[f"{c.name}_sd"], digits=c.digits) for c in columns),
        ]
        for row in table.iter_rows(named=True)
    ]
    return titles, cells
