"""The plot of an experiment: dots for rows, lines along a setting, deviations as thin lines."""

from collections.abc import Sequence

import altair as alt
import polars as pl
import vl_convert

from stages.experiments.definitions import Chart, Definition
from stages.experiments.tabulating import Measured

VEGA_LITE_VERSION = ".".join(alt.SCHEMA_VERSION.split(".")[:2])
INK = "#333333"
# Okabe and Ito's colours, which colour-blind readers tell apart; shape says the same again.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]
WIDTH, ROW_PIXELS, LINE_HEIGHT = 520, 26, 280
# A reader's fonts may be wider than those the layout is computed with: room on every side.
LAYOUT = {
    "padding": {"left": 32, "right": 16, "top": 8, "bottom": 8},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "titleFontWeight": "normal",
        "titlePadding": 14,
        "labelOverlap": "greedy",
        "labelSeparation": 8,
    },
}


def points(definition: Definition, measured: Sequence[Measured]) -> pl.DataFrame:
    """Return what is drawn: ``row``, ``place``, ``series``, ``mean``, ``low``, ``high``.

    ``low`` and ``high`` are one standard deviation of the seeds away from the mean, and lie on it
    for a single seed. Lines have a series for each place on the other axes and each column.
    """
    chart = definition.chart
    assert chart is not None
    titles = {column.name: column.title for column in definition.columns}
    rows = [
        {"row": row, "place": place, "series": _series(rest, chart, titles[column]), "value": value}
        for one in measured
        for column in chart.columns
        for row, rest, place, value in _entries(one, column, chart)
    ]
    schema = {"row": pl.String, "place": pl.Float64, "series": pl.String, "value": pl.Float64}
    keys = ["row", "place", "series"]
    values = pl.DataFrame(rows, schema=schema).group_by(keys, maintain_order=True)
    summed = values.agg(pl.col("value").mean().alias("mean"), sd=pl.col("value").std().fill_null(0))
    return summed.select(
        *keys, "mean", low=pl.col("mean") - pl.col("sd"), high=pl.col("mean") + pl.col("sd")
    )


def _entries(
    one: Measured, column: str, chart: Chart
) -> list[tuple[str, str, float | None, float]]:
    """Return row, what tells its line from others, place on the axis, and value; or nothing."""
    value = one.figures[column]
    if chart.axis is None:
        return [(one.row, "", None, value)]
    place = one.places[chart.axis]
    if isinstance(place, bool) or not isinstance(place, int | float):
        return []
    name = chart.axis.rpartition(".")[2]
    parts = [part for part in one.row.split(", ") if not part.startswith(f"{name} ")]
    return [("", ", ".join(parts), float(place), value)]


def _series(others: str, chart: Chart, title: str) -> str:
    parts = [others] if others else []
    parts += [title] if len(chart.columns) > 1 or not others else []
    return ", ".join(parts)


def plot(definition: Definition, measured: Sequence[Measured]) -> str:
    """Draw the experiment as an SVG file that stands alone."""
    table = points(definition, measured)
    chart = definition.chart
    assert chart is not None
    drawn = _lines(table, chart) if chart.kind == "lines" else _dots(table, chart)
    base = next((m.base[chart.columns[0]] for m in measured if chart.columns[0] in m.base), None)
    if base is not None and len(chart.columns) == 1:
        drawn.layer[:0] = _base_line(base, definition.base_row, upright=chart.kind == "dots")
    specification = drawn.to_dict(validate=False)
    svg: str = vl_convert.vegalite_to_svg(
        {**specification, "background": "white", "title": definition.title},
        vl_version=VEGA_LITE_VERSION,
        config=LAYOUT,
        allowed_base_urls=[],
    )
    return svg


def _dots(table: pl.DataFrame, chart: Chart) -> alt.LayerChart:
    series = table["series"].unique(maintain_order=True).to_list()
    rows = table["row"].unique(maintain_order=True).to_list()
    y = alt.Y("row:N", sort=rows, title=None, axis=alt.Axis(labelLimit=320))
    marks = alt.Chart(table).encode(y=y)
    if len(series) > 1:
        marks = marks.encode(yOffset=alt.YOffset("series:N", sort=series))
    dots = marks.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("mean:Q", title=chart.y, scale=alt.Scale(zero=False), axis=alt.Axis(tickCount=8)),
        color=_colour(series),
        shape=alt.Shape("series:N", legend=None, sort=series),
    )
    spread = marks.mark_rule(strokeWidth=2).encode(x="low:Q", x2="high:Q", color=_colour(series))
    height = ROW_PIXELS * len(rows) * max(1, len(series) // 2)
    return alt.LayerChart(layer=[spread, dots]).properties(width=WIDTH, height=height)


def _lines(table: pl.DataFrame, chart: Chart) -> alt.LayerChart:
    series = table["series"].unique(maintain_order=True).to_list()
    places = table["place"].unique().sort().to_list()
    name = chart.x or (chart.axis or "").rpartition(".")[2]
    marks = alt.Chart(table).encode(
        x=alt.X("place:Q", title=name, axis=alt.Axis(values=places), scale=alt.Scale(zero=False)),
        color=_colour(series),
    )
    lines = marks.mark_line(point=True).encode(
        y=alt.Y("mean:Q", title=chart.y, scale=alt.Scale(zero=False)),
        strokeDash=alt.StrokeDash("series:N", legend=None, sort=series),
    )
    spread = marks.mark_rule(strokeWidth=2).encode(y="low:Q", y2="high:Q")
    return alt.LayerChart(layer=[spread, lines]).properties(width=WIDTH, height=LINE_HEIGHT)


def _base_line(base: float, name: str, *, upright: bool) -> list[alt.Chart]:
    mark = alt.Chart(pl.DataFrame({"at": [base], "name": [name]}))
    rule = mark.mark_rule(color=INK, strokeDash=[5, 4])
    if upright:
        text = mark.mark_text(color=INK, align="left", dx=4, dy=-6, baseline="bottom")
        return [rule.encode(x="at:Q"), text.encode(x="at:Q", y=alt.value(0), text="name:N")]
    # Beside the plot: within it, the name would lie on a line that runs near the base.
    text = mark.mark_text(color=INK, align="left", dx=6, baseline="middle")
    return [rule.encode(y="at:Q"), text.encode(y="at:Q", x=alt.value(WIDTH), text="name:N")]


def _colour(series: Sequence[str]) -> alt.Color:
    legend = alt.Legend(orient="top", labelLimit=400, columns=2) if len(series) > 1 else None
    scale = alt.Scale(domain=list(series), range=COLOURS)
    return alt.Color("series:N", title=None, scale=scale, legend=legend)
