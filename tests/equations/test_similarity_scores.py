import numpy as np
import pytest

from stages.equations.similarity_scores import expected_digit, relative_information, scaled_score


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
