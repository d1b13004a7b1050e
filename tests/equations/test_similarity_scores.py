import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stages.equations.similarity_scores import (
    Floats,
    combined_scores,
    expected_digit,
    logistic_score,
    relative_information,
    scaled_score,
)


def test_the_expected_digit_weighs_by_probability() -> None:
    certain = np.log(np.array([[1e-12, 1e-12, 1e-12, 1.0, 1e-12, 1e-12]]))
    even = np.log(np.array([[0.0625, 0, 0, 0, 0, 0.0625]]) + 1e-12)
    assert expected_digit(certain)[0] == pytest.approx(3, abs=1e-6)
    assert expected_digit(even)[0] == pytest.approx(2.5, abs=1e-6)


def test_the_expected_digit_survives_very_small_probabilities() -> None:
    assert expected_digit(np.full((1, 6), -2000.0))[0] == pytest.approx(2.5)


def test_identical_sentences_have_relative_information_1_and_independent_ones_0() -> None:
    within = [np.array([30.0, 30.0]), np.array([30.0, 20.0])]
    across = [np.array([30.0, 0.0]), np.array([30.0, 0.0])]
    assert relative_information(across, within).tolist() == [1.0, 0.0]


def test_a_sentence_without_information_does_not_divide_by_zero() -> None:
    zero = np.zeros(1)
    assert relative_information([zero, zero], [zero, zero]).tolist() == [0.0]


def test_the_scale_is_monotone_and_stays_within_0_and_5() -> None:
    ratios = np.linspace(-2, 2, 101)
    scores = scaled_score(ratios, low=0.0, high=0.65)
    assert (np.diff(scores) >= 0).all()
    assert scores.min() == 0
    assert scores.max() == 5


@given(st.lists(st.floats(-1e6, 1e6), min_size=2))
def test_the_s_shaped_scale_never_falls_and_stays_within_0_and_5(values: list[float]) -> None:
    scores = logistic_score(np.sort(values), low=-0.16, high=0.56)
    assert (np.diff(scores) >= 0).all()
    assert scores.min() >= 0
    assert scores.max() <= 5


def test_the_s_shaped_scale_makes_no_ties_beyond_its_anchors() -> None:
    scores = logistic_score(np.linspace(-1, 1.5, 251), low=0.0, high=0.5)
    assert (np.diff(scores) > 0).all()


OPINIONS = st.integers(1, 4).flatmap(
    lambda judges: arrays(float, (judges, 5), elements=st.floats(0, 5))
)


@given(OPINIONS)
def test_of_several_scores_the_least_is_at_most_the_mean_and_the_mean_the_greatest(
    scores: Floats,
) -> None:
    least, mean, greatest = (combined_scores(scores, how) for how in ("min", "mean", "max"))
    assert (least >= 0).all()
    assert (least <= mean + 1e-12).all()
    assert (mean <= greatest + 1e-12).all()
    assert (greatest <= 5).all()


@pytest.mark.parametrize("how", ["min", "mean", "max"])
def test_a_single_score_combines_to_itself(how: str) -> None:
    scores = np.array([[0.0, 2.5, 5.0]])
    assert combined_scores(scores, how).tolist() == [0.0, 2.5, 5.0]


@pytest.mark.parametrize("how", ["min", "mean", "max"])
def test_a_score_that_one_judge_left_out_stays_unknown(how: str) -> None:
    scores = np.array([[4.0, np.nan], [3.0, 3.0]])
    assert np.isnan(combined_scores(scores, how)).tolist() == [False, True]
