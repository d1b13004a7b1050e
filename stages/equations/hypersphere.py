"""How an encoder uses its unit sphere (Wang and Isola, ICML 2020): lower is better for both."""

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

BLOCK_ROWS = 512


def alignment(left: Vectors, right: Vectors) -> float:
    """Return how far apart the members of positive pairs are: the mean squared distance.

    Args:
        left: ``(pairs, width)``, rows of length 1.
        right: ``(pairs, width)``, rows of length 1; row ``i`` means the same as ``left``'s.

    Returns:
        0 (every pair falls together) to 4.
    """
    return float(np.square(left - right).sum(axis=1).mean())


def uniformity(vectors: Vectors) -> float:
    """Return how unevenly vectors fill the sphere: log of the mean of exp(-2 distance squared).

    The mean is over all pairs of two different rows, taken a block of rows at a time.

    Args:
        vectors: ``(rows, width)``, rows of length 1, at least two.

    Returns:
        -8 (as even as can be, and never quite reached) to 0 (all the same).
    """
    rows = len(vectors)
    total = 0.0
    for start in range(0, rows, BLOCK_ROWS):
        cosines = vectors[start : start + BLOCK_ROWS] @ vectors.T
        # For unit vectors the squared distance is 2 - 2 cosine.
        total += float(np.exp(4 * (cosines - 1)).sum(dtype=np.float64))
    own = float(np.exp(4 * (np.square(vectors).sum(axis=1) - 1)).sum(dtype=np.float64))
    return float(np.log((total - own) / (rows * (rows - 1))))
