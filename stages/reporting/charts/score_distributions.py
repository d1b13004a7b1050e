"""How the judge's scores are spread, and where a threshold cuts them."""

from dataclasses import dataclass

import altair as alt
import polars as pl

from stages.reporting.charts.style import KEPT, LIMIT, REJECTED
from stages.reporting.charts.svg import Chart
from stages.reporting.wording import MINUS

BINS = 20
KEPT_NAME, REJECTED_NAME = "kept", "rejected"


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A curation setting drawn as a line over a distribution."""

    name: str
    value: float


def bin_scores(values: pl.DataFrame, *, low: float, high: float) -> pl.DataFrame:
    """Count values in 20 equal bins.

    Args:
        values: Columns value (null is left out) and kept (null counts as kept).
        low: Lower edge of the first bin; smaller values are counted in it.
        high: Upper edge of the last bin; greater values are counted in it.

    Returns:
        One row a bin: start, end, kept, rejected.
    """
    width = (high - low) / BINS
    place = ((pl.col("value") - low) / width).floor().clip(0, BINS - 1).cast(pl.Int64)
    counts = (
        values.filter(pl.col("value").is_finite())
        .group_by(place.alias("bin"))
        .agg(kept=pl.col("kept").fill_null(value=True).sum(), all=pl.len())
    )
    bins = pl.DataFrame({"bin": range(BINS)}, schema={"bin": pl.Int64})
    return (
        bins.join(counts, on="bin", how="left", maintain_order="left")
        .fill_null(0)
        .select(
            start=(low + width * pl.col("bin")).round(6),
            end=(low + width * (pl.col("bin") + 1)).round(6),
            kept=pl.col("kept").cast(pl.Int64),
            rejected=(pl.col("all") - pl.col("kept")).cast(pl.Int64),
        )
    )


def score_distribution(bins: pl.DataFrame, *, title: str, threshold: Threshold) -> Chart:
    """Draw the bins as bars, rejected stacked on kept, with the threshold as a dashed line."""
    long = bins.unpivot(
        on=[KEPT_NAME, REJECTED_NAME],
        index=["start", "end"],
        variable_name="fate",
        value_name="triplets",
    )
    low, high = float(bins["start"][0]), float(bins["end"][-1])
    axis = alt.Axis(values=[low + step * (high - low) / 5 for step in range(6)], grid=False)
    bars = (
        alt.Chart(long)
        .mark_bar(binSpacing=1)
        .encode(
            x=alt.X(
                "start:Q", bin="binned", title=title, axis=axis, scale=alt.Scale(domain=[low, high])
            ),
            x2="end:Q",
            y=alt.Y("triplets:Q", title="triplets", axis=alt.Axis(tickCount=4, format="~s")),
            color=alt.Color(
                "fate:N",
                legend=None,
                scale=alt.Scale(domain=[KEPT_NAME, REJECTED_NAME], range=[KEPT, REJECTED]),
            ),
            order=alt.Order("fate:N"),
        )
    )
    line = _threshold_line(threshold, near_right_edge=threshold.value > (low + high) / 2)
    return alt.LayerChart(layer=[bars, *line])


def _threshold_line(threshold: Threshold, *, near_right_edge: bool) -> list[alt.Chart]:
    text = f"{threshold.name} {threshold.value:g}".replace("-", MINUS)
    mark = alt.Chart(pl.DataFrame({"at": [threshold.value], "text": [text]}))
    rule = mark.mark_rule(color=LIMIT, strokeWidth=1.5, strokeDash=[5, 4]).encode(x="at:Q")
    name = mark.mark_text(
        color=LIMIT,
        align="right" if near_right_edge else "left",
        dx=-5 if near_right_edge else 5,
        dy=-8,
        baseline="bottom",
    ).encode(x="at:Q", y=alt.value(0), text="text:N")
    return [rule, name]
