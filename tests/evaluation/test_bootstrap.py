"""The fast bootstrap against a slow loop over the same resamples."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from stages.evaluation import bootstrap
from stages.evaluation.bootstrap import (
    interval,
    resampled_spearman,
    spearman_of_counts,
    task_seed,
)

PAIRS = 60
Floats = NDArray[np.float64]


@pytest.fixture
def pairs() -> tuple[Floats, Floats, Floats]:
    """Return cosines of two encoders, the second with ties, and scores with many ties."""
    generator = np.random.default_rng(3)
    scores = np.round(generator.uniform(0, 5, PAIRS))
    noise = generator.normal(size=(2, PAIRS))
    return scores + 2 * noise[0], np.round(scores + noise[1], 1), scores


def test_counting_pairs_equals_copying_and_ranking_them(
    pairs: tuple[Floats, Floats, Floats],
) -> None:
    left, tied, scores = pairs
    picks = np.random.default_rng(4).integers(PAIRS, size=(50, PAIRS))
    counts = np.stack([np.bincount(row, minlength=PAIRS) for row in picks])
    for values in (left, tied):
        slow = [spearmanr(values[row], scores[row]).statistic for row in picks]
        np.testing.assert_allclose(spearman_of_counts(values, scores, counts), slow, atol=1e-12)


def test_every_pair_once_is_the_correlation_itself() -> None:
    left, right = np.array([1.0, 2, 3, 4, 5]), np.array([5.0, 6, 7, 8, 7])
    counts = np.ones((1, 5), dtype=np.int64)
    # The textbook example of ranks with a tie: 0.82078...
    assert spearman_of_counts(left, right, counts)[0] == pytest.approx(0.8207826816681233)


def test_a_resample_with_nothing_to_rank_counts_as_no_correlation() -> None:
    counts = np.array([[3, 0, 0], [1, 1, 1]])
    values = np.array([1.0, 2.0, 3.0])
    assert spearman_of_counts(values, values, counts).tolist() == [0.0, 1.0]


def test_encoders_share_their_resamples(pairs: tuple[Floats, Floats, Floats]) -> None:
    left, _, scores = pairs
    one, same = resampled_spearman((left, left.copy()), scores, samples=20, seed=(1,))
    assert np.array_equal(one, same)
    assert len(np.unique(one)) > 10


def test_the_seed_decides_and_block_size_does_not(
    pairs: tuple[Floats, Floats, Floats], monkeypatch: pytest.MonkeyPatch
) -> None:
    left, tied, scores = pairs

    def draw(seed: int) -> Floats:
        return resampled_spearman((left, tied), scores, samples=25, seed=(seed,))

    whole = draw(1)
    assert whole.shape == (2, 25)
    assert not np.array_equal(whole, draw(2))
    monkeypatch.setattr(bootstrap, "CELLS_AT_ONCE", 7 * PAIRS)
    np.testing.assert_allclose(draw(1), whole, atol=1e-12)


def test_the_interval_leaves_equal_tails() -> None:
    low, high = interval(np.arange(1001.0), confidence=0.9)
    assert (low, high) == pytest.approx((50, 950))


def test_each_task_has_its_own_seed() -> None:
    assert task_seed(1, "STS12") != task_seed(1, "STS13")
    assert task_seed(1, "STS12") != task_seed(2, "STS12")


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    truth = 6 / np.pi * np.arcsin(0.6 / 2)  # Spearman of two normals correlated by 0.6
    covered = 0
    for trial in range(100):
        left = generator.normal(size=200)
        right = 0.6 * left + 0.8 * generator.normal(size=200)
        values = resampled_spearman((left,), right, samples=200, seed=(trial,))[0]
        low, high = interval(values, confidence=0.9)
        covered += low <= truth <= high
    assert 80 <= covered <= 98
