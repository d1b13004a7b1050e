"""The vectors themselves: cosines by the grade that people gave, and pairs on a flat map."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from stages.reporting.charts.benchmarks import BASE_NAME, TRAINED_NAME
from stages.reporting.charts.style import BASE, INK, KEPT, PAPER, QUIET, REJECTED, TRAINED
from stages.reporting.charts.svg import Chart
from stages.reporting.space_records import Band, DrawnPair

GRADE = "grade by people"
ALIKE, BETWEEN, UNLIKE = "alike", "between", "unlike"
ALIKE_FROM, UNLIKE_BELOW = 4.0, 1.0
MARGIN = 0.04
"""Of the width and height of a map, left free at either side."""

Box = tuple[float, float, float, float]


def band_name(band: Band) -> str:
    """Name a band as its axis does."""
    return f"{band.low:g} to {band.high:g}"


def cosines_by_grade(bands: Sequence[Band]) -> Chart:
    """Draw each band's cosines: a dot for the median, bars for the middle half and for 80 %.

    Base stands left and hollow, trained right and filled.
    """
    rows = [
        {"grade": band_name(band), "series": series, **spread.model_dump()}
        for band in bands
        for series, spread in ((BASE_NAME, band.base), (TRAINED_NAME, band.trained))
    ]
    axis = alt.Axis(labelAngle=0, domain=False, ticks=False, labelColor=INK)
    marks = alt.Chart(pl.DataFrame(rows)).encode(
        x=alt.X("grade:N", sort=[band_name(band) for band in bands], title=GRADE, axis=axis),
        xOffset=alt.XOffset("series:N", sort=[BASE_NAME, TRAINED_NAME]),
    )
    layers: list[alt.Chart] = []
    for series, color, fill in ((BASE_NAME, BASE, PAPER), (TRAINED_NAME, TRAINED, TRAINED)):
        layers += _spread(marks.transform_filter(alt.datum.series == series), color, fill)
    return alt.LayerChart(layer=layers)


def kind(grade: float) -> str:
    """Say which kind of line a pair gets.

    >>> kind(4.0), kind(1.0), kind(0.9)
    ('alike', 'between', 'unlike')
    """
    if grade >= ALIKE_FROM:
        return ALIKE
    return UNLIKE if grade < UNLIKE_BELOW else BETWEEN


def box_around(corners: Sequence[Box]) -> Box:
    """Return the least and greatest x and the least and greatest y of all ends, with a margin."""
    across = [x for first_x, _, second_x, _ in corners for x in (first_x, second_x)]
    upward = [y for _, first_y, _, second_y in corners for y in (first_y, second_y)]
    (left, right), (low, high) = (_widened(min(n), max(n)) for n in (across, upward))
    return left, right, low, high


def pair_map(pairs: Sequence[DrawnPair], *, encoder: str, box: Box) -> Chart:
    """Draw every pair as two dots and a line: solid alike, dashed unlike, thin in between.

    Args:
        pairs: The pairs.
        encoder: ``base`` or ``trained``.
        box: Edges of the drawing, see :func:`box_around`.
    """
    left, right, low, high = box
    names = ("x", "y", "x2", "y2")
    rows = [
        {"kind": kind(pair.grade), **dict(zip(names, getattr(pair, encoder).ends, strict=True))}
        for pair in pairs
    ]
    marks = alt.Chart(pl.DataFrame(rows))
    across, upward = alt.Scale(domain=[left, right]), alt.Scale(domain=[low, high])
    layers: list[alt.Chart] = []
    # What matters most is drawn last.
    for name, color, width, dashes in (
        (BETWEEN, QUIET, 0.8, []),
        (UNLIKE, REJECTED, 1.8, [5, 3]),
        (ALIKE, KEPT, 2.2, []),
    ):
        of_kind = marks.transform_filter(alt.datum.kind == name)
        line = of_kind.mark_rule(color=color, strokeWidth=width, strokeDash=dashes)
        dot = of_kind.mark_point(
            size=14 + 6 * width, filled=True, opacity=1, fill=color, stroke=PAPER, strokeWidth=0.5
        )
        layers += [
            line.encode(**_end("x", "y", across, upward), x2="x2:Q", y2="y2:Q"),
            dot.encode(**_end("x", "y", across, upward)),
            dot.encode(**_end("x2", "y2", across, upward)),
        ]
    return alt.LayerChart(layer=layers)


def _spread(marks: alt.Chart, color: str, fill: str) -> list[alt.Chart]:
    cosine = alt.Axis(tickCount=5, domain=False)

    def upward(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", title="cosine", axis=cosine, scale=alt.Scale(zero=False))

    wide = marks.mark_rule(strokeWidth=1.5, color=color)
    half = marks.mark_rule(strokeWidth=6, color=color)
    dot = marks.mark_point(size=60, strokeWidth=2, opacity=1, fill=fill, stroke=color)
    return [
        wide.encode(y=upward("p10"), y2="p90:Q"),
        half.encode(y=upward("p25"), y2="p75:Q"),
        dot.encode(y=upward("p50")),
    ]


def _end(x: str, y: str, across: alt.Scale, upward: alt.Scale) -> dict[str, alt.X | alt.Y]:
    return {
        "x": alt.X(f"{x}:Q", axis=None, scale=across),
        "y": alt.Y(f"{y}:Q", axis=None, scale=upward),
    }


def _widened(least: float, greatest: float) -> tuple[float, float]:
    more = MARGIN * (greatest - least) or MARGIN
    return least - more, greatest + more
