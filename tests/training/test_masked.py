"""The pairs that are hidden, against a loop over all of them."""

import numpy as np
import pytest

from stages.training import masked
from stages.training.guide import GuideVectors
from stages.training.masked import masked_pairs, masked_share


@pytest.fixture
def vectors() -> GuideVectors:
    drawn = np.random.default_rng(1).normal(size=(3, 23, 3))
    unit = drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
    half = unit.astype(np.float16)
    return GuideVectors([half[:, :9], half[:, 9:10], half[:, 10:]])


def by_loop(vectors: GuideVectors, sigma: float) -> set[tuple[int, int, str]]:
    raw = np.concatenate(vectors._shards, axis=1).astype(np.float64)
    raw /= np.linalg.norm(raw, axis=-1, keepdims=True)
    return {
        (premise, other, column)
        for premise in range(23)
        for place, column in ((1, "entailment"), (2, "contradiction"))
        for other in range(23)
        if other != premise and raw[0, premise] @ raw[place, other] >= sigma
    }


@pytest.mark.parametrize("block", [1, 100, 10**6])
def test_every_foreign_pair_from_sigma_on_is_found_once(
    block: int, vectors: GuideVectors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masked, "BLOCK_COSINES", block)
    found = masked_pairs(vectors, sigma=0.9)
    rows = found.pairs.select("premise", "candidate", "column").rows()
    assert len(rows) == len(set(rows))
    assert set(rows) == by_loop(vectors, 0.9)
    assert found.pairs["cosine"].is_sorted(descending=True)
    assert found.greatest == pytest.approx(found.pairs["cosine"].max())


def test_none_is_found_above_the_greatest(vectors: GuideVectors) -> None:
    greatest = masked_pairs(vectors, sigma=0.9).greatest
    assert masked_pairs(vectors, sigma=greatest + 1e-4).pairs.is_empty()


def test_a_batch_of_everything_hides_the_share_of_all_pairs(vectors: GuideVectors) -> None:
    pairs = masked_pairs(vectors, sigma=0.8).pairs
    share, batches = masked_share(vectors, sigma=0.8, batch=23, seed=1)
    assert batches == 1
    assert share == pytest.approx(len(pairs) / (23 * 44))


def test_smaller_batches_are_drawn_by_the_seed(vectors: GuideVectors) -> None:
    one, batches = masked_share(vectors, sigma=0.5, batch=4, seed=1)
    assert batches == 5
    assert 0 < one < 1
    assert masked_share(vectors, sigma=0.5, batch=4, seed=1) == (one, 5)
    assert masked_share(vectors, sigma=0.5, batch=4, seed=2)[0] != one
