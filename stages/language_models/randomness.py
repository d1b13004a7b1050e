"""Random numbers that belong to a sentence, not to a batch."""

import hashlib

import numpy as np
from numpy.typing import NDArray


def generator(seed: int, key: str) -> np.random.Generator:
    """Return a generator that depends on ``seed`` and ``key`` alone."""
    digest = hashlib.sha256(f"{seed}/{key}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))


def uniforms(seed: int, keys: list[str], *, count: int) -> NDArray[np.float64]:
    """Return ``(len(keys), count)`` numbers in [0, 1), row ``i`` drawn for ``keys[i]``."""
    return np.stack([generator(seed, key).random(count) for key in keys])
