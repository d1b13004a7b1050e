"""How training went: the loss at each step and the dev benchmark at each look."""

import altair as alt
import polars as pl

from stages.reporting.charts.style import BASE, INK, SPEARMAN, TRAINED
from stages.reporting.charts.svg import Chart

POINTS = 300


def thin(curve: pl.DataFrame, *, points: int = POINTS) -> pl.DataFrame:
    """Average neighbouring rows until at most ``points`` are left."""
    rows = -(-len(curve) // points)
    if rows == 1:
        return curve
    groups = curve.with_row_index("group").with_columns(pl.col("group") // rows)
    return groups.group_by("group", maintain_order=True).mean().drop("group")


def loss_curve(curve: pl.DataFrame) -> Chart:
    """Draw the loss: each logged value faintly, their moving average on top.

    Args:
        curve: Columns step, loss (nats).
    """
    window = max(1, len(curve) // 15)
    smooth = curve.with_columns(
        average=pl.col("loss").rolling_mean(window, min_samples=1, center=True)
    )
    lines = alt.Chart(smooth).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6))
    )
    loss = alt.Y("loss:Q", title="loss (nats)", scale=alt.Scale(zero=False))
    dots = lines.mark_point(filled=True, size=14, color=TRAINED, opacity=0.45).encode(y=loss)
    average = lines.mark_line(strokeWidth=2, color=TRAINED).encode(y="average:Q")
    return alt.LayerChart(layer=[dots, average])


def dev_curve(curve: pl.DataFrame, *, best_step: int | None) -> Chart:
    """Draw the dev benchmark over the steps, the untouched base as a dashed line.

    Args:
        curve: Columns step, spearman (times 100); step 0 is the base before training.
        best_step: Step of the checkpoint that was kept, marked by a diamond; None marks nothing.
    """
    points = alt.Chart(curve).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(grid=False, tickMinStep=1, tickCount=6)),
        y=alt.Y("spearman:Q", title=f"dev {SPEARMAN}", scale=alt.Scale(zero=False)),
    )
    layers = [
        alt.Chart(curve.filter(pl.col("step") == 0))
        .mark_rule(color=BASE, strokeDash=[5, 4], strokeWidth=1.5)
        .encode(y="spearman:Q"),
        points.mark_line(strokeWidth=2, color=TRAINED),
        points.mark_point(filled=True, size=30, color=TRAINED, opacity=1),
        alt.Chart(curve.filter(pl.col("step").eq_missing(pl.lit(best_step, pl.Int64))))
        .mark_point(shape="diamond", filled=True, size=150, color=TRAINED, stroke=INK, opacity=1)
        .encode(x="step:Q", y="spearman:Q"),
    ]
    return alt.LayerChart(layer=layers)
