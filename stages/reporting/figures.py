"""The figures of the report: each a drawing, its caption and the same numbers as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from stages.reporting.charts.benchmarks import (
    BASE_NAME,
    ROW_PIXELS,
    TRAINED_NAME,
    Dot,
    gains_by_task,
    scores_by_task,
)
from stages.reporting.charts.score_distributions import Threshold, bin_scores, score_distribution
from stages.reporting.charts.svg import Chart, render
from stages.reporting.charts.training_curves import dev_curve, loss_curve, thin
from stages.reporting.evaluation_records import GRADED, Comparison, Group, Score
from stages.reporting.wording import counted, label, metric_name, number, signed

# Where a drawing is shown (a class of page.css) and how wide it is made for that place: text in an
# SVG shrinks with it, so a narrow screen gets a drawing of its own.
BOTH_SIZES = {"laptop": 510, "phone": 345}
SMALL_ONLY = {"everywhere": 345}
CURVE_PIXELS, HISTOGRAM_PIXELS = 210, 150
TABLE_ROWS = 25
MEAN = "Mean"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart in words, in pictures and in numbers.

    Args:
        name: Id in the page.
        caption: What is drawn.
        drawings: SVG by the place it is shown at, a class of page.css.
        columns: Headings of the table that says the same.
        rows: Its cells, the first of each row being the row's heading.
    """

    name: str
    caption: str
    drawings: dict[str, str]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """The three settings of curation: keep iff a >= alpha, b <= beta and a >= b + gamma."""

    alpha: float
    beta: float
    gamma: float


def score_figures(scores: pl.DataFrame, *, thresholds: Thresholds) -> tuple[Figure, ...]:
    """Draw the distributions of a, b and a - b; empty when no triplet has a score.

    Args:
        scores: Columns entailment_score, contradiction_score (0 to 5, may be null) and kept.
        thresholds: The settings in force.
    """
    if scores.drop_nulls(["entailment_score", "contradiction_score"]).is_empty():
        return ()
    a, b = pl.col("entailment_score"), pl.col("contradiction_score")
    return (
        _distribution(
            scores.select("kept", value=a),
            name="a: premise and entailment",
            threshold=Threshold(name="alpha", value=thresholds.alpha),
        ),
        _distribution(
            scores.select("kept", value=b),
            name="b: premise and contradiction",
            threshold=Threshold(name="beta", value=thresholds.beta),
        ),
        _distribution(
            scores.select("kept", value=a - b),
            name="a less b: the gap between the two",
            threshold=Threshold(name="gamma", value=thresholds.gamma),
            low=-5,
        ),
    )


def loss_figure(loss: pl.DataFrame) -> Figure:
    """Draw the training loss (columns step, loss)."""
    first, last = number(loss["loss"][0]), number(loss["loss"][-1])
    return _figure(
        loss_curve(thin(loss)),
        name="loss",
        caption="Training loss: every logged step, and their moving average",
        summary=f"Line chart of the training loss, from {first} to {last} nats.",
        height=CURVE_PIXELS,
        table=_written(loss, "loss", digits=3),
    )


def dev_figure(dev: pl.DataFrame, *, best_step: int | None) -> Figure:
    """Draw the dev benchmark over training (columns step, spearman times 100)."""
    first, last = number(dev["spearman"][0]), number(dev["spearman"][-1])
    return _figure(
        dev_curve(dev, best_step=best_step),
        name="dev",
        caption="Dev benchmark: dashed the base, diamond the checkpoint that was kept",
        summary=f"Line chart of the dev benchmark, from {first} to {last}.",
        height=CURVE_PIXELS,
        table=_written(dev, "spearman", digits=2),
    )


def group_figures(group: Group, *, name: str) -> tuple[Figure, ...]:
    """Draw both encoders on every task of a group, and the gain; empty when no score is defined.

    Args:
        group: The tasks.
        name: Added to the figures' ids; differs between groups.
    """
    rows = _named_rows(group)
    encoders = [
        dot
        for row_name, row in rows.items()
        for dot in (
            *_dot(row_name, BASE_NAME, row.base),
            *_dot(row_name, TRAINED_NAME, row.trained),
        )
    ]
    gains = [dot for row_name, row in rows.items() for dot in _dot(row_name, "gain", row.gain)]
    if not encoders or not gains:
        return ()
    table = pl.DataFrame(
        {
            "task": list(rows),
            "base": [number(row.base.value) for row in rows.values()],
            "trained": [number(row.trained.value) for row in rows.values()],
            "gain": [signed(row.gain.value) for row in rows.values()],
        }
    )
    many = counted(len(group.tasks), "benchmark" if group.group == GRADED else "task")
    many += " and their mean" if MEAN in rows else ""
    return (
        _figure(
            scores_by_task(encoders, rows=list(rows), title=metric_name(group.metric)),
            name=f"encoders{name}",
            caption="Score of both encoders, with their intervals",
            summary=f"Dot chart of base and trained encoder on {many}; "
            "the table below holds the numbers.",
            height=ROW_PIXELS * len(rows),
            table=table.drop("gain"),
        ),
        _figure(
            gains_by_task(gains, rows=list(rows)),
            name=f"gains{name}",
            caption="Gain: an interval that crosses the dashed line at zero may be chance",
            summary=f"Dot chart of the gain on {many}; the table below holds the numbers.",
            height=ROW_PIXELS * len(rows),
            table=table.select("task", "gain"),
        ),
    )


def _named_rows(group: Group) -> dict[str, Comparison]:
    """Name the rows of the charts; shortened names that fall together are told apart."""
    rows: dict[str, Comparison] = {MEAN: group.mean} if len(group.tasks) > 1 else {}
    for place, task in enumerate(group.tasks, start=1):
        name = label(task.task)
        rows[f"{name} ({place})" if name in rows else name] = task
    return rows


def _dot(row: str, series: str, score: Score) -> Sequence[Dot]:
    if score.value is None:
        return ()
    return (Dot(row=row, series=series, value=score.value, low=score.low, high=score.high),)


def _distribution(
    values: pl.DataFrame, *, name: str, threshold: Threshold, low: float = 0
) -> Figure:
    bins = bin_scores(values, low=low, high=5)
    quantity = name.partition(":")[0]
    middle = number(values.select(pl.col("value").median()).item())
    return _figure(
        score_distribution(bins, title=quantity, threshold=threshold),
        name=threshold.name,
        caption=name,
        summary=f"Histogram of {name}. Median {middle}; {threshold.name} is {threshold.value:g}.",
        height=HISTOGRAM_PIXELS,
        table=bins.select(
            pl.format("{} to {}", pl.col("start"), pl.col("end")).alias(quantity),
            pl.col("kept", "rejected").cast(pl.String),
        ),
        sizes=SMALL_ONLY,
    )


def _figure(
    chart: Chart,
    *,
    name: str,
    caption: str,
    summary: str,
    height: int,
    table: pl.DataFrame,
    sizes: dict[str, int] = BOTH_SIZES,
) -> Figure:
    drawings = {
        place: render(chart, label=summary, prefix=f"{name}-{place}-", width=width, height=height)
        for place, width in sizes.items()
    }
    return Figure(
        name=name,
        caption=caption,
        drawings=drawings,
        columns=tuple(table.columns),
        rows=tuple(table.iter_rows()),
    )


def _written(curve: pl.DataFrame, measure: str, *, digits: int) -> pl.DataFrame:
    every = -(-len(curve) // TABLE_ROWS)
    shown = curve.gather_every(every)
    return pl.DataFrame(
        {
            "step": [f"{step:,}" for step in shown["step"]],
            measure: [number(value, digits) for value in shown[measure]],
        }
    )
