from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curation.rules import REASONS, judged
from stages.tables.schemas import SCORED
from tests.curation.tables_at_hand import row

PAPER: dict[str, Any] = {"alpha": 3.0, "beta": 3.0, "gamma": 1.0, "triplets_per_premise": 1}
scores = st.one_of(st.none(), st.just(float("nan")), st.floats(0, 5))


def reason(a: float | None, b: float | None, *, swap: bool = False, **dials: float) -> str | None:
    table = pl.DataFrame([row(entailment_score=a, contradiction_score=b)], schema=SCORED)
    found: str | None = judged(table, **(PAPER | dials), swap_reversed=swap)["reason"][0]
    return found


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (4.0, 1.0, None),
        (3.0, 2.0, None),
        (2.9, 1.0, "entailment_too_far"),
        (5.0, 3.1, "contradiction_too_near"),
        (3.5, 2.6, "gap_too_small"),
        (None, 1.0, "score_unreadable"),
        (4.0, float("nan"), "score_unreadable"),
    ],
)
def test_a_triplet_is_kept_iff_all_three_rules_hold(
    a: float | None, b: float | None, expected: str | None
) -> None:
    assert reason(a, b) == expected


@pytest.mark.parametrize("tenths", range(30, 51))
def test_a_gap_of_exactly_gamma_is_kept_on_a_grid_of_tenths(tenths: int) -> None:
    assert reason(tenths / 10, (tenths - 10) / 10, beta=5.0) is None


def test_gamma_is_a_number_not_a_switch() -> None:
    assert reason(4.0, 2.5, gamma=1.5) is None
    assert reason(4.0, 2.5, gamma=1.6) == "gap_too_small"


def test_swapping_exchanges_everything_that_belongs_to_a_hypothesis() -> None:
    before = row(entailment_score=1.0, contradiction_score=4.5, entailment_answer="x")
    table = judged(pl.DataFrame([before], schema=SCORED), **PAPER, swap_reversed=True)
    after = table.row(0, named=True)
    assert after["reason"] is None
    assert after["entailment"] == before["contradiction"]
    assert after["contradiction_answer"] == "x"
    assert (after["entailment_score"], after["contradiction_score"]) == (4.5, 1.0)


@pytest.mark.parametrize("b", [None, float("nan"), float("inf")])
def test_a_score_that_is_none_is_not_greater(b: float | None) -> None:
    table = pl.DataFrame([row(entailment_score=2.0, contradiction_score=b)], schema=SCORED)
    after = judged(table, **PAPER, swap_reversed=True)
    assert after["entailment_score"].to_list() == [2.0]
    assert after["reason"].to_list() == ["score_unreadable"]


@given(pairs=st.lists(st.tuples(scores, scores), min_size=1, max_size=30))
def test_after_swapping_no_contradiction_is_nearer_than_its_entailment(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    rows = [row(i, entailment_score=a, contradiction_score=b) for i, (a, b) in enumerate(pairs)]
    table = judged(pl.DataFrame(rows, schema=SCORED), **PAPER, swap_reversed=True)
    readable = table.filter(pl.col("reason") != "score_unreadable")
    assert (readable["entailment_score"] >= readable["contradiction_score"]).all()
    for before, after in zip(rows, table.iter_rows(named=True), strict=True):
        assert {before["entailment"], before["contradiction"]} == {
            after["entailment"],
            after["contradiction"],
        }


def test_of_the_samples_that_pass_the_widest_gap_is_kept() -> None:
    scores = [(3.5, 2.0), (4.0, 1.0), (5.0, 4.0), (4.5, 1.5), (2.0, 0.0)]
    rows = [
        row(0, sample=i, entailment_score=a, contradiction_score=b)
        for i, (a, b) in enumerate(scores)
    ]
    table = pl.DataFrame([*rows, row(1)], schema=SCORED)
    found = judged(table, **PAPER, swap_reversed=False)["reason"].to_list()
    too_near, too_far = "contradiction_too_near", "entailment_too_far"
    assert found == ["outdone", None, too_near, "outdone", too_far, None]


@given(
    pairs=st.lists(st.tuples(st.integers(0, 4), scores, scores), min_size=1, max_size=30),
    count=st.integers(1, 4),
)
def test_of_each_premise_no_more_are_kept_than_asked_and_none_better_is_left_out(
    pairs: list[tuple[int, float | None, float | None]], count: int
) -> None:
    rows = [
        row(premise, sample=i, entailment_score=a, contradiction_score=b)
        for i, (premise, a, b) in enumerate(pairs)
    ]
    table = judged(
        pl.DataFrame(rows, schema=SCORED),
        **(PAPER | {"triplets_per_premise": count}),
        swap_reversed=False,
    ).with_columns(gap=pl.col("entailment_score") - pl.col("contradiction_score"))
    for _, samples in table.group_by("id"):
        kept = samples.filter(pl.col("reason").is_null())["gap"].to_list()
        outdone = samples.filter(pl.col("reason") == "outdone")["gap"].to_list()
        assert len(kept) <= count
        assert not outdone or (len(kept) == count and max(outdone) <= min(kept))


def test_a_tie_is_not_swapped() -> None:
    table = pl.DataFrame([row(entailment_score=2.0, contradiction_score=2.0)], schema=SCORED)
    assert judged(table, **PAPER, swap_reversed=True).drop("reason").equals(table)


@given(pairs=st.lists(st.tuples(scores, scores), min_size=1, max_size=30))
def test_nothing_is_dropped_and_every_reason_is_a_known_one(
    pairs: list[tuple[float | None, float | None]],
) -> None:
    rows = [row(i, entailment_score=a, contradiction_score=b) for i, (a, b) in enumerate(pairs)]
    table = judged(pl.DataFrame(rows, schema=SCORED), **PAPER, swap_reversed=False)
    kept, rejected = (table.filter(pl.col("reason").is_null() == null) for null in (True, False))
    assert len(kept) + len(rejected) == len(rows)
    assert table["id"].to_list() == [r["id"] for r in rows]
    assert set(table["reason"].drop_nulls()) <= set(REASONS)
    for (a, b), why in zip(pairs, table["reason"], strict=True):
        if why is None:
            assert a is not None
            assert b is not None
            assert a >= 3 - 1e-6
            assert b <= 3 + 1e-6
            assert a >= b + 1 - 1e-6
