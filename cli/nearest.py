"""Exact nearest neighbours by cosine, one block of the corpus at a time."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
BLOCK_ROWS = 65_536


class Neighbours(NamedTuple):
    """The best rows for each query, best first."""

    rows: NDArray[np.int64]
    """``(queries, top)`` row numbers of the corpus, from 0."""
    cosines: Vectors
    """``(queries, top)``, falling along each row."""


def nearest_rows(
    queries: Vectors, corpus: Vectors, *, top: int, block_rows: int = BLOCK_ROWS
) -> Neighbours:
    """Return the ``top`` corpus rows nearest to every query; of equals the earlier row comes first.

    Memory grows with the block, not with the corpus: cosines of one block at a time are held.

    Args:
        queries: ``(queries, width)``, rows of unit length.
        corpus: ``(corpus, width)``, rows of unit length.
        top: How many to return; fewer when the corpus is smaller.
        block_rows: Rows of the corpus compared at once.
    """
    best = Neighbours(
        np.empty((len(queries), 0), dtype=np.int64), np.empty((len(queries), 0), dtype=np.float32)
    )
    for start in range(0, len(corpus), block_rows):
        block = corpus[start : start + block_rows]
        rows = np.arange(start, start + len(block), dtype=np.int64)
        best = _better(
            Neighbours(
                np.concatenate([best.rows, np.tile(rows, (len(queries), 1))], axis=1),
                np.concatenate([best.cosines, queries @ block.T], axis=1),
            ),
            top=top,
        )
    return best


def _better(candidates: Neighbours, *, top: int) -> Neighbours:
    # Stable, and earlier rows stand further left, so that equals keep their order.
    order = np.argsort(-candidates.cosines, axis=1, kind="stable")[:, :top]
    return Neighbours(
        np.take_along_axis(candidates.rows, order, axis=1),
        np.take_along_axis(candidates.cosines, order, axis=1),
    )
