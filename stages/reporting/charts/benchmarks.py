"""Base against trained encoder on every benchmark: a dot for the value, a bar for its interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from stages.reporting.charts.style import BASE, INK, PAPER, TRAINED
from stages.reporting.charts.svg import Chart

BASE_NAME, TRAINED_NAME = "base", "trained"
ROW_PIXELS = 34


@dataclass(frozen=True, kw_only=True)
class Dot:
    """One value on one row of the chart, with its interval (None where it is not known)."""

    row: str
    series: str
    value: float
    low: float | None
    high: float | None


def scores_by_task(dots: Sequence[Dot], *, rows: Sequence[str], title: str) -> Chart:
    """Draw both encoders on each row: base a hollow circle above, trained a filled one below.

    Args:
        dots: The values.
        rows: Names of the rows, from the top.
        title: What is measured.
    """
    order = [BASE_NAME, TRAINED_NAME]
    # With these paddings a row's middle is where gains_by_task has it: the two stand abreast.
    row = _rows(rows).scale(paddingInner=0.3, paddingOuter=0.15)
    marks = _marks(dots).encode(y=row, yOffset=alt.YOffset("series:N", sort=order))
    layers: list[alt.Chart] = []
    for series, color, fill in ((BASE_NAME, BASE, PAPER), (TRAINED_NAME, TRAINED, TRAINED)):
        of_series = marks.transform_filter(alt.datum.series == series)
        layers += _interval_and_dot(of_series, title=title, color=color, fill=fill)
    return alt.LayerChart(layer=layers)


def gains_by_task(dots: Sequence[Dot], *, rows: Sequence[str]) -> Chart:
    """Draw trained minus base on each row, with a line at zero, where nothing was gained."""
    marks = _marks(dots).encode(y=_rows(rows))
    zero = alt.Chart(pl.DataFrame({"at": [0]})).mark_rule(color=INK, strokeDash=[5, 4])
    layers = _interval_and_dot(marks, title="gain in points", color=TRAINED, fill=TRAINED)
    return alt.LayerChart(layer=[zero.encode(x="at:Q"), *layers])


def _marks(dots: Sequence[Dot]) -> alt.Chart:
    numbers = {"value": pl.Float64, "low": pl.Float64, "high": pl.Float64}
    return alt.Chart(pl.DataFrame([vars(dot) for dot in dots], schema_overrides=numbers))


def _rows(rows: Sequence[str]) -> alt.Y:
    # No limit here: Vega would cut a name between the two halves of an emoji, and then fail.
    axis = alt.Axis(domain=False, ticks=False, labelColor=INK, labelLimit=0, labelPadding=8)
    return alt.Y("row:N", sort=list(rows), title=None, axis=axis)


def _across(field: str, title: str) -> alt.X:
    axis = alt.Axis(tickCount=5, domain=False)
    return alt.X(f"{field}:Q", title=title, axis=axis, scale=alt.Scale(zero=False))


def _interval_and_dot(marks: alt.Chart, *, title: str, color: str, fill: str) -> list[alt.Chart]:
    known = marks.transform_filter("isValid(datum.low) && isValid(datum.high)")
    interval = known.mark_rule(strokeWidth=2.5, strokeCap="round", color=color)
    dot = marks.mark_point(size=70, strokeWidth=2, opacity=1, fill=fill, stroke=color)
    return [
        interval.encode(x=_across("low", title), x2="high:Q"),
        dot.encode(x=_across("value", title)),
    ]
