"""A condition in SQL on what each judge said decides with the thresholds what is kept."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.curation.choosing import Choice
from stages.curation.rules import judged
from stages.errors import PipelineError
from stages.tables.schemas import SCORED
from tests.curation.tables_at_hand import row

JUDGES = ("forward", "encoder")
ANYTHING: dict[str, Any] = {
    "alpha": 0,
    "beta": 5,
    "gamma": -5,
    "triplets_per_premise": 9,
    "swap_reversed": False,
}
SCORES = st.one_of(st.none(), st.floats(0, 5))


def scored(*said: tuple[tuple[float | None, ...], tuple[float | None, ...]]) -> pl.DataFrame:
    """Return SCORED with what each judge said of both sides."""
    rows = [
        row(n, entailment_scores=[*a], contradiction_scores=[*b]) for n, (a, b) in enumerate(said)
    ]
    return pl.DataFrame(rows, schema=SCORED)


def reasons(table: pl.DataFrame, where: str) -> list[str | None]:
    found: list[str | None] = judged(table, **ANYTHING, where=Choice(where, JUDGES).holds)[
        "reason"
    ].to_list()
    return found


@given(st.lists(st.tuples(st.tuples(SCORES, SCORES), st.tuples(SCORES, SCORES)), max_size=8))
def test_a_triplet_is_kept_iff_the_condition_holds(
    said: list[tuple[tuple[float | None, ...], tuple[float | None, ...]]],
) -> None:
    where = "forward_a >= 3 AND (encoder_b <= 2 OR forward_b <= encoder_a)"
    wanted = []
    for (forward_a, encoder_a), (forward_b, encoder_b) in said:
        near = encoder_b is not None and encoder_b <= 2
        below = None not in {forward_b, encoder_a} and forward_b <= encoder_a  # type: ignore[operator]
        met = forward_a is not None and forward_a >= 3 and (near or below)
        wanted.append(None if met else "condition_not_met")
    assert reasons(scored(*said), where) == wanted


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("a >= 4", True),
        ("b > 1.5", False),
        ("a - b > 2 AND length(premise) > 10", True),
        ("contradiction LIKE '%never%'", True),
        ("entailment = premise", False),
        ("1 = 1", True),
    ],
)
def test_it_may_name_the_combined_scores_and_the_texts(where: str, kept: bool) -> None:
    assert reasons(scored(((4.0, 4.0), (1.5, 1.5))), where) == [
        None if kept else "condition_not_met"
    ]


def test_a_rule_that_fails_is_the_reason_before_the_condition() -> None:
    table = pl.DataFrame([row(entailment_score=1.0)], schema=SCORED)
    where = Choice("a > 4", ["forward"]).holds
    assert judged(table, **ANYTHING | {"alpha": 3}, where=where)["reason"].to_list() == [
        "entailment_too_far"
    ]


def test_what_fails_the_condition_outdoes_no_other_sample() -> None:
    better = row(sample=0, entailment_score=5.0, entailment_scores=[0.0, 0.0])
    worse = row(sample=1, entailment_score=4.0, entailment_scores=[4.0, 4.0])
    table = pl.DataFrame([better, worse], schema=SCORED)
    rules = ANYTHING | {"triplets_per_premise": 1}
    found = judged(table, **rules, where=Choice("forward_a > 1", JUDGES).holds)
    assert found["reason"].to_list() == ["condition_not_met", None]


def test_what_is_swapped_is_swapped_for_the_condition_too() -> None:
    one = row(entailment_score=1.0, contradiction_score=4.0)
    table = pl.DataFrame(
        [one | {"entailment_scores": [1.0, 2.0], "contradiction_scores": [3.0, 4.0]}], schema=SCORED
    )
    where = Choice("forward_a = 3 AND encoder_b = 2", JUDGES).holds
    assert judged(table, **ANYTHING | {"swap_reversed": True}, where=where)["reason"].to_list() == [
        None
    ]


def test_scores_of_other_judges_are_told() -> None:
    with pytest.raises(PipelineError, match=r"scores of 1 judges, and score\.judges names 2"):
        reasons(scored(((4.0,), (1.5,))), "encoder_a > 1")


@pytest.mark.parametrize(
    ("where", "cause"),
    [
        ("encodr_a > 1", "names 'encodr_a', did you mean encoder_a"),
        ("nli_b > 1", r"names 'nli_b'\.\n  remedy: choose of: premise, .*encoder_b"),
        ("a >", "no condition in SQL"),
        ("a + b", "neither true nor false"),
        ("premise > 3", "cannot be computed"),
    ],
)
def test_a_condition_that_cannot_be_one_is_told(where: str, cause: str) -> None:
    with pytest.raises(PipelineError, match=cause) as told:
        reasons(scored(((4.0, 4.0), (1.5, 1.5))), where)
    assert str(told.value).startswith(f"curate.where = {where!r}")
