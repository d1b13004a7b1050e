"""What is drawn is what was measured."""

import pytest

from stages.experiments.charting import plot, points
from stages.experiments.definitions import Definition
from stages.experiments.tabulating import Measured
from tests.experiments.definitions_at_hand import definition


def chart(kind: str, axis: str | None, *, columns: int = 1, x: str | None = None) -> Definition:
    names = ["one", "two"][:columns]
    return definition(
        title="A grid & more",
        axes={"train.sigma": [0.8, 0.9], "train.objective": ["masked"]},
        columns=[{"name": n, "title": n.upper(), "value": "m.json#x"} for n in names],
        chart={"kind": kind, "columns": names, "axis": axis, "x": x, "y": "Spearman"},
    )


MEASURED = [
    Measured(
        f"sigma {sigma}, objective masked",
        seed,
        {"one": 80 + seed, "two": 70},
        places={"train.sigma": sigma, "train.objective": "masked"},
    )
    for sigma in (0.8, 0.9)
    for seed in (1, 3)
]


def test_a_line_runs_through_the_means_with_the_deviation_around_them() -> None:
    table = points(chart("lines", "train.sigma"), MEASURED)
    assert table["place"].to_list() == [0.8, 0.9]
    assert table["mean"].to_list() == [82, 82]
    assert table["low"].to_list() == pytest.approx([82 - 2**0.5] * 2)
    assert table["series"].unique().to_list() == ["objective masked"]


def test_dots_have_a_row_each_and_a_series_a_column() -> None:
    table = points(chart("dots", None, columns=2), MEASURED)
    assert table["row"].unique(maintain_order=True).to_list() == [
        "sigma 0.8, objective masked",
        "sigma 0.9, objective masked",
    ]
    assert set(table["series"]) == {"ONE", "TWO"}


@pytest.mark.parametrize(("kind", "axis"), [("lines", "train.sigma"), ("dots", None)])
def test_the_drawing_stands_alone(kind: str, axis: str | None) -> None:
    svg = plot(chart(kind, axis), MEASURED)
    assert svg.startswith("<svg")
    assert "A grid &amp; more" in svg
    assert "Spearman" in svg
    assert "href" not in svg


def test_the_axis_has_the_settings_name_or_a_title_of_its_own() -> None:
    assert ">sigma<" in plot(chart("lines", "train.sigma"), MEASURED)
    assert ">how much is hidden<" in plot(
        chart("lines", "train.sigma", x="how much is hidden"), MEASURED
    )


@pytest.mark.parametrize(("kind", "axis"), [("lines", "train.sigma"), ("dots", None)])
def test_the_encoder_before_training_is_a_line_of_its_own(kind: str, axis: str | None) -> None:
    with_base = [
        Measured(one.row, one.seed, one.figures, {"one": 79.0}, one.places) for one in MEASURED
    ]
    assert "base, not trained" in plot(chart(kind, axis), with_base)
    assert "base, not trained" not in plot(chart(kind, axis), MEASURED)
