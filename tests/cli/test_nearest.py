"""Exact search."""

import numpy as np
import pytest
from numpy.typing import NDArray

from cli.nearest import nearest_rows


def unit_rows(count: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, 8), dtype=np.float32)
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


@pytest.mark.parametrize("block_rows", [1, 7, 50, 1000])
def test_blocks_find_what_comparing_all_at_once_finds(block_rows: int) -> None:
    queries, corpus = unit_rows(3, 0), unit_rows(50, 1)
    found = nearest_rows(queries, corpus, top=5, block_rows=block_rows)
    expected = np.argsort(-(queries @ corpus.T), axis=1)[:, :5]
    assert found.rows.tolist() == expected.tolist()
    assert np.all(np.diff(found.cosines, axis=1) <= 0)


def test_of_equals_the_earlier_row_comes_first() -> None:
    corpus = np.repeat(unit_rows(1, 2), 6, axis=0)
    found = nearest_rows(corpus[:1], corpus, top=4, block_rows=2)
    assert found.rows.tolist() == [[0, 1, 2, 3]]


def test_a_small_corpus_is_returned_whole() -> None:
    found = nearest_rows(unit_rows(2, 0), unit_rows(3, 1), top=10)
    assert found.rows.shape == (2, 3)
