"""Tables and findings with known answers."""

from collections.abc import Mapping

import polars as pl
import pytest

from stages.experiments.definitions import Column, Definition
from stages.experiments.findings import difference, findings, overall
from stages.experiments.tabulating import Measured, shown, tabulated
from tests.experiments.definitions_at_hand import definition

MEAN = Column(name="mean", title="mean", value="m.json#mean", base="m.json#base")
COUNT = Column(name="count", title="count", value="m.json#count", digits=0)


def measured(row: str, seed: int, mean: float, place: float = 0.0) -> Measured:
    return Measured(row, seed, {"mean": mean, "count": 4.0}, {"mean": 10.0}, {"train.sigma": place})


def expecting(*expect: Mapping[str, object]) -> Definition:
    columns = [MEAN.model_dump(), COUNT.model_dump()]
    return definition(columns=columns, expect=list(expect))


THREE = [measured("ours", 1, 11.0), measured("ours", 2, 12.0), measured("ours", 3, 13.0)]


def test_mean_and_deviation_of_the_sample() -> None:
    table = tabulated([*THREE, measured("theirs", 1, 9.5)], [MEAN, COUNT], base="base")
    assert table.rows(named=True) == [
        {"row": "base", "seeds": 1, "mean": 10, "mean_sd": None, "count": None, "count_sd": None},
        {"row": "ours", "seeds": 3, "mean": 12, "mean_sd": 1, "count": 4, "count_sd": 0},
        {"row": "theirs", "seeds": 1, "mean": 9.5, "mean_sd": None, "count": 4, "count_sd": None},
    ]
    titles, cells = shown(table, [MEAN, COUNT])
    assert titles == ["", "seeds", "mean", "count"]
    assert cells == [
        ["base", "1", "10.00", "-"],
        ["ours", "3", "12.00 \N{PLUS-MINUS SIGN} 1.00", "4 \N{PLUS-MINUS SIGN} 0"],
        ["theirs", "1", "9.50", "4"],
    ]


def test_the_order_of_the_runs_stays() -> None:
    rows = [measured(row, seed, 1.0) for seed in (1, 2) for row in ("b", "a", "c")]
    assert tabulated(rows, [COUNT], base="base")["row"].to_list() == ["base", "b", "a", "c"]


def test_without_runs_there_is_a_table_without_rows() -> None:
    table = tabulated([], [MEAN], base="base")
    assert table.is_empty()
    assert table.schema["mean"] == pl.Float64


def test_the_interval_is_students() -> None:
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t(0.975, 2) = 4.302653.
    gap = difference({1: 11.0, 2: 12.0, 3: 13.0}, 10.0)
    assert gap is not None
    assert gap.mean == pytest.approx(2)
    assert gap.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert gap.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)
    assert gap.verdict == "unclear"


def test_seeds_are_compared_with_themselves() -> None:
    noisy = {1: 10.0, 2: 20.0, 3: 30.0}
    gap = difference({seed: value + 1 + seed / 100 for seed, value in noisy.items()}, noisy)
    assert gap is not None
    assert gap.verdict == "shows"
    assert difference({1: 1.0}, {2: 1.0}) is None


def test_equal_rows_are_not_told_apart() -> None:
    expect = {"kind": "above", "column": "mean", "row": "ours", "than": ["same"]}
    same = [measured("same", one.seed, one.figures["mean"]) for one in THREE]
    (found,) = findings(expecting(expect), [*THREE, *same])
    assert found.verdict == "unclear"
    assert "no clear difference" in found.sentence


@pytest.mark.parametrize(
    ("gain", "verdict", "said"),
    [(5.0, "shows", "as claimed"), (-5.0, "contrary", "contrary")],
)
def test_a_clear_difference_is_told(gain: float, verdict: str, said: str) -> None:
    expect = {"kind": "above", "column": "mean", "row": "ours", "than": ["theirs"]}
    theirs = [measured("theirs", m.seed, m.figures["mean"] - gain + m.seed / 10) for m in THREE]
    (found,) = findings(expecting(expect), [*THREE, *theirs])
    assert (found.verdict, said in found.sentence) == (verdict, True)


def test_one_seed_decides_nothing() -> None:
    than = ["base, not trained"]
    expect = {"kind": "above", "column": "mean", "row": "ours", "than": than}
    (found,) = findings(expecting(expect), THREE[:1])
    assert found.verdict == "unclear"
    assert "+1.00 with one seed" in found.sentence


def test_the_base_is_compared_by_its_one_figure() -> None:
    than = ["base, not trained"]
    expect = {"kind": "above", "column": "mean", "row": "ours", "than": than}
    (found,) = findings(expecting(expect), [measured("ours", s, 12 + s / 10) for s in (1, 2, 3)])
    assert found.verdict == "shows"


@pytest.mark.parametrize(
    ("means", "verdict", "said"),
    [
        ([1.0, 5.0, 2.0], "shows", "where the paper has it."),
        ([1.0, 2.0, 5.0], "contrary", "clearly above the paper's sigma 0.9 (2"),
    ],
)
def test_where_the_greatest_value_lies(means: list[float], verdict: str, said: str) -> None:
    expect = {"kind": "best_at", "column": "mean", "axis": "train.sigma", "at": 0.9}
    rows = [
        measured(f"sigma {place}", seed, mean + seed / 100, place)
        for place, mean in zip((0.8, 0.9, 1.0), means, strict=True)
        for seed in (1, 2, 3)
    ]
    (found,) = findings(expecting(expect), rows)
    assert (found.verdict, said in found.sentence) == (verdict, True), found.sentence


@pytest.mark.parametrize(
    ("means", "verdict"),
    [([1, 2, 3, 4], "contrary"), ([4, 3, 2, 1], "shows"), ([1, 3, 2, 2], "unclear")],
)
def test_whether_a_value_falls(means: list[float], verdict: str) -> None:
    expect = {"kind": "trend", "column": "mean", "axis": "train.sigma", "direction": "falls"}
    rows = [measured(f"sigma {n}", 1, mean, n) for n, mean in enumerate(means)]
    (found,) = findings(expecting(expect), rows)
    assert found.verdict == verdict


def test_a_bound_is_held_by_all_seeds_or_not_clearly() -> None:
    expect = {"kind": "at_least", "column": "mean", "row": "ours", "value": 12.5}
    (found,) = findings(expecting(expect), THREE)
    assert found.verdict == "unclear"
    assert found.sentence == "mean: ours has 12.00, below 12.5, but not clearly with 3 seeds."


def test_the_claim_shows_only_where_every_comparison_does() -> None:
    expect = {"kind": "above", "column": "mean", "row": "ours", "than": ["theirs"]}
    theirs = [measured("theirs", m.seed, m.figures["mean"] - 5 + m.seed / 10) for m in THREE]
    shows = findings(expecting(expect), [*THREE, *theirs])
    unclear = findings(expecting(expect), [THREE[0], theirs[0]])
    assert overall(shows) == "The claim shows here."
    assert overall(unclear) == "The claim neither shows nor fails here: no difference is clear."
    assert overall(shows + unclear) == "The claim shows in 1 of 2 comparisons; 1 unclear."
