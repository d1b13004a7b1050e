import re
import socket
from xml.etree import ElementTree

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.reporting.charts.benchmarks import Dot, gains_by_task, scores_by_task
from stages.reporting.charts.score_distributions import (
    BINS,
    Threshold,
    bin_scores,
    score_distribution,
)
from stages.reporting.charts.space import box_around, cosines_by_grade, pair_map
from stages.reporting.charts.svg import Chart, render
from stages.reporting.charts.training_curves import dev_curve, loss_curve, thin
from stages.reporting.space_records import Space
from tests.reporting.finished_run import space

CURVE = pl.DataFrame({"step": [0, 5, 10], "loss": [0.9, 0.5, 0.4], "spearman": [86.0, 87.1, 87.0]})
SCORES = pl.DataFrame({"value": [0.0, 2.5, 5.0, None], "kept": [True, False, True, False]})
ALPHA = Threshold(name="alpha", value=3)
BINNED = bin_scores(SCORES, low=0, high=5)
DOTS = [
    Dot(row="<script>&", series="base", value=70, low=69, high=71),
    Dot(row="<script>&", series="trained", value=72, low=None, high=None),
]
COLOURS = ("ink", "quiet", "line", "paper", "base", "trained", "kept", "rejected", "limit")
SPACE = Space.model_validate(space()).tasks[0]
assert SPACE.map is not None
BOX = box_around([pair.base.ends for pair in SPACE.map.pairs])
CHARTS: dict[str, Chart] = {
    "cosines": cosines_by_grade(SPACE.bands),
    "map": pair_map(SPACE.map.pairs, encoder="trained", box=BOX),
    "scores": score_distribution(BINNED, title="a", threshold=ALPHA),
    "loss": loss_curve(CURVE),
    "dev": dev_curve(CURVE, best_step=5),
    "benchmarks": scores_by_task(DOTS, rows=["<script>&"], title="<metric>"),
    "gains": gains_by_task(DOTS[:1], rows=["<script>&"]),
}


def draw(chart: Chart, prefix: str = "x-") -> str:
    return render(chart, label='what "is" <drawn>', prefix=prefix, width=340, height=120)


@pytest.fixture(params=CHARTS, name="chart")
def each_chart(request: pytest.FixtureRequest) -> Chart:
    return CHARTS[request.param]


def test_a_drawing_is_well_formed_and_says_what_it_shows(chart: Chart) -> None:
    svg = ElementTree.fromstring(draw(chart))
    assert svg.tag == "svg"
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == 'what "is" <drawn>'
    assert svg.get("width") == "340"


def test_equal_inputs_give_equal_bytes(chart: Chart) -> None:
    assert draw(chart) == draw(chart)


def test_a_drawing_has_no_script_no_style_and_no_outside_reference(chart: Chart) -> None:
    tags = {element.tag for element in ElementTree.fromstring(draw(chart)).iter()}
    assert tags <= {"svg", "g", "path", "line", "text", "rect", "defs", "clipPath"}
    assert "http" not in draw(chart)
    assert "font-family" not in draw(chart)


def test_every_colour_follows_the_page(chart: Chart) -> None:
    colours = set(re.findall(r'(?:fill|stroke)="([^"]*)"', draw(chart)))
    assert {colour for colour in colours if colour != "none"} <= {
        f"var(--{name})" for name in COLOURS
    }


def test_ids_of_two_drawings_on_one_page_differ_and_are_the_same_next_time() -> None:
    clipped = CHARTS["loss"].copy()
    clipped.layer[0].mark.clip = True
    first, second = (draw(clipped, prefix) for prefix in ("one-", "two-"))
    assert 'id="one-0"' in first
    assert "url(#one-0)" in first
    assert "one-" not in second
    assert draw(clipped, "one-") == first


def test_drawing_opens_no_connection(chart: Chart, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("a chart asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert draw(chart)


def test_a_score_on_an_edge_is_counted_once_and_a_missing_one_not_at_all() -> None:
    assert BINNED["kept"].to_list() == [1] + [0] * (BINS - 2) + [1]
    assert BINNED["rejected"].sum() == 1


@given(st.lists(st.tuples(st.floats(-5, 5), st.booleans()), max_size=60))
def test_every_score_falls_in_a_bin_that_holds_it(rows: list[tuple[float, bool]]) -> None:
    values = pl.DataFrame(rows, schema={"value": pl.Float64, "kept": pl.Boolean}, orient="row")
    bins = bin_scores(values, low=-5, high=5)
    assert bins["kept"].sum() == sum(kept for _, kept in rows)
    assert bins["rejected"].sum() == sum(not kept for _, kept in rows)
    assert bins.height == BINS


def test_the_worst_best_step_is_still_a_drawing() -> None:
    assert draw(dev_curve(CURVE.filter(pl.col("step") > 0), best_step=None))
    assert draw(loss_curve(CURVE.head(1)))


@settings(max_examples=30)
@given(rows=st.integers(1, 2000), points=st.integers(1, 300))
def test_thinning_keeps_the_mean_level_and_the_limit(rows: int, points: int) -> None:
    curve = pl.DataFrame({"step": range(rows), "loss": [1.0] * rows})
    thinned = thin(curve, points=points)
    assert 1 <= len(thinned) <= points
    assert thinned["loss"].to_list() == pytest.approx([1.0] * len(thinned))
