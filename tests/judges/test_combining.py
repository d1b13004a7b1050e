from collections.abc import Sequence

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.curation.rules import judged
from stages.judges.combining import READINGS, combined
from stages.tables.schemas import SCORED
from tests.curation.tables_at_hand import row

Scores = Sequence[tuple[float | None, float | None]]


def opinion(scores: Scores, answer: str = "x") -> pl.DataFrame:
    """Return SCORED with these a and b."""
    rows = [
        row(i, entailment_score=a, contradiction_score=b)
        | {"entailment_answer": answer, "contradiction_answer": answer}
        for i, (a, b) in enumerate(scores)
    ]
    return pl.DataFrame(rows, schema=SCORED)


def scores_of(table: pl.DataFrame) -> list[tuple[float | None, ...]]:
    return table.select("entailment_score", "contradiction_score").rows()


def test_one_judge_is_left_as_it_is() -> None:
    alone = opinion([(4.0, 1.0), (None, None)])
    for combine in READINGS:
        assert combined({"llm": alone}, combine).equals(alone)


@pytest.mark.parametrize(
    ("combine", "expected"), [("min", (2.0, 1.0)), ("mean", (3.0, 2.0)), ("all", (2.0, 3.0))]
)
def test_a_and_b_of_two_judges(combine: str, expected: tuple[float, float]) -> None:
    both = combined({"llm": opinion([(4.0, 1.0)]), "nli": opinion([(2.0, 3.0)])}, combine)
    assert scores_of(both) == [expected]
    assert both.schema == pl.Schema(SCORED)


def test_the_answers_say_what_every_judge_said() -> None:
    both = combined(
        {"llm": opinion([(3.214, 1.0)], "0.301522"), "encoder": opinion([(4.8, 2.0)], "0.960000")},
        "mean",
    )
    assert both["entailment_answer"][0] == "llm 3.21 (0.301522), encoder 4.80 (0.960000)"


@pytest.mark.parametrize("combine", READINGS)
def test_a_pair_that_one_judge_could_not_read_has_no_score_and_keeps_all_answers(
    combine: str,
) -> None:
    both = combined(
        {"llm": opinion([(None, 1.0)], "quite alike"), "encoder": opinion([(4.8, 2.0)], "0.96")},
        combine,
    )
    assert both["entailment_score"][0] is None
    assert both["contradiction_score"][0] is not None
    assert both["entailment_answer"][0] == "llm - (quite alike), encoder 4.80 (0.96)"


def test_a_triplet_that_nobody_was_asked_about_stays_empty() -> None:
    unasked = opinion([(None, None)], "")
    both = combined({"llm": unasked, "nli": unasked}, "all")
    assert scores_of(both) == [(None, None)]
    assert both["entailment_answer"].to_list() == [""]


SCORE = st.floats(0, 5)
JUDGED = st.integers(1, 6).flatmap(
    lambda rows: st.lists(
        st.lists(st.tuples(SCORE, SCORE), min_size=rows, max_size=rows), min_size=2, max_size=3
    )
)


@settings(max_examples=20)  # each looks through the texts of all triplets several times
@given(JUDGED, st.floats(0, 5), st.floats(0, 5), st.floats(-5, 5))
def test_what_passes_with_all_passes_with_each_judge_alone(
    opinions: list[Scores], alpha: float, beta: float, gamma: float
) -> None:
    tables = {str(number): opinion(scores) for number, scores in enumerate(opinions)}

    def kept(table: pl.DataFrame) -> set[str]:
        verdicts = judged(
            table,
            alpha=alpha,
            beta=beta,
            gamma=gamma,
            triplets_per_premise=1,
            swap_reversed=False,
        )
        return set(verdicts.filter(pl.col("reason").is_null())["id"])

    vouched = kept(combined(tables, "all"))
    assert all(vouched <= kept(table) for table in tables.values())
    assert vouched <= kept(combined(tables, "mean"))
