"""Alignment and uniformity against the paper's definitions, pair by pair."""

import numpy as np
import pytest

from stages.equations import hypersphere
from stages.equations.hypersphere import Vectors, alignment, uniformity


def on_sphere(rows: int, seed: int, width: int = 8) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


def test_uniformity_is_the_log_of_the_mean_over_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = on_sphere(23, 1)
    slow = [
        np.exp(-2 * np.square(vectors[i] - vectors[j]).sum())
        for i in range(23)
        for j in range(23)
        if i != j
    ]
    assert uniformity(vectors) == pytest.approx(np.log(np.mean(slow)), abs=1e-5)
    monkeypatch.setattr(hypersphere, "BLOCK_ROWS", 7)
    assert uniformity(vectors) == pytest.approx(np.log(np.mean(slow)), abs=1e-5)


def test_alignment_is_the_mean_squared_distance() -> None:
    left, right = on_sphere(9, 2), on_sphere(9, 3)
    slow = np.mean([np.linalg.norm(a - b) ** 2 for a, b in zip(left, right, strict=True)])
    assert alignment(left, right) == pytest.approx(slow, abs=1e-5)
    assert alignment(left, left) == 0
    assert alignment(left, -left) == pytest.approx(4, abs=1e-5)


def test_a_collapsed_encoder_is_least_uniform() -> None:
    assert uniformity(np.repeat(on_sphere(1, 4), 5, axis=0)) == pytest.approx(0, abs=1e-5)
    assert uniformity(on_sphere(200, 5, width=64)) < -3
