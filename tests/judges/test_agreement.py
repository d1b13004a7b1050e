from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from scipy.stats import spearmanr

from stages.evaluation.comparison import Resampling
from stages.judges.agreement import agreement, drawn, judged_pairs
from stages.judges.protocol import Calibration, Judgement, Pair
from stages.tables.schemas import PAIRS

RESAMPLING = Resampling(200, 0.95, 1)
GRADES = np.array([0.0, 0.4, 1.0, 2.0, 3.0, 4.0, 4.5, 5.0])
SCORES = [0.5, 0.1, 2.0, 1.0, 3.5, 3.0, 4.8, 4.4]


class LengthJudge:
    """Scores a pair by the length of its second sentence, and notes how many came at once."""

    name = "llm"
    calibration = Calibration("length", "as it is")
    facts: dict[str, str]

    def __init__(self) -> None:
        self.facts = {}
        self.batches: list[int] = []

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        self.batches.append(len(pairs))
        return [Judgement(float(len(other)), other) for _, other in pairs]


def pairs(count: int) -> pl.DataFrame:
    rows = [("s", float(i % 6), f"one {i}", "x" * i) for i in range(count)]
    return pl.DataFrame(rows, schema=dict(PAIRS), orient="row")


def test_the_figure_is_spearmans_correlation_within_its_interval() -> None:
    found = agreement("llm", SCORES, GRADES, RESAMPLING)
    assert found.spearman == pytest.approx(spearmanr(SCORES, GRADES).statistic)
    assert found.spearman is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.spearman <= found.high
    assert (found.pairs, found.unreadable) == (8, 0)


def test_the_ends_of_the_scale_are_means_over_both_ends_of_the_grades() -> None:
    found = agreement("llm", SCORES, GRADES, RESAMPLING)
    assert found.similar == pytest.approx((4.8 + 4.4) / 2)
    assert found.unrelated == pytest.approx((0.5 + 0.1) / 2)


def test_unreadable_answers_are_counted_and_left_out() -> None:
    found = agreement("llm", [None, *SCORES[1:-1], None], GRADES, RESAMPLING)
    assert found.unreadable == 2
    assert found.spearman == pytest.approx(spearmanr(SCORES[1:-1], GRADES[1:-1]).statistic)
    assert (found.similar, found.unrelated) == (4.8, 0.1)


@pytest.mark.parametrize("scores", [[None] * 8, [3.0] * 8, [1.0] + [None] * 7])
def test_where_nothing_can_be_ranked_there_is_no_figure(scores: list[float | None]) -> None:
    found = agreement("llm", scores, GRADES, RESAMPLING)
    assert (found.spearman, found.low, found.high) == (None, None, None)


def test_a_draw_depends_on_the_seed_and_keeps_the_order() -> None:
    table = pairs(50)
    first, again, other = (drawn(table, 10, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)
    lengths = first["sentence2"].str.len_chars().to_list()
    assert lengths == sorted(set(lengths))


@pytest.mark.parametrize("limit", [None, 50, 99])
def test_without_a_lower_limit_all_pairs_are_taken(limit: int | None) -> None:
    assert drawn(pairs(50), limit, seed=1).equals(pairs(50))


def test_pairs_are_judged_in_order_a_batch_at_a_time() -> None:
    judge = LengthJudge()
    judged = judged_pairs(judge, pairs(10), batch_pairs=4)
    assert [one.score for one in judged] == list(range(10))
    assert judge.batches == [4, 4, 2]
