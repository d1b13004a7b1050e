"""Stage 2 of MultiCSR: similarities from what a language model thinks of two sentences."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]
GREATEST_SCORE = 5.0
ANCHORED_SHARE = 0.05
"""How far from the ends of the scale :func:`logistic_score` puts its two anchors."""


def expected_digit(log_probabilities: Floats) -> Floats:
    """Return the mean of the digits 0 to 5 weighted by their probabilities.

    Args:
        log_probabilities: ``(pairs, 6)``, natural logarithms of the probability that the model
            answers 0, 1, ... 5; they need not sum to 1.

    Returns:
        ``(pairs,)`` in [0, 5].
    """
    shifted = np.exp(log_probabilities - log_probabilities.max(axis=1, keepdims=True))
    mean: Floats = shifted @ np.arange(6.0) / shifted.sum(axis=1)
    return mean


def relative_information(
    across: Sequence[Floats], within: Sequence[Floats], *, floor: float = 1.0
) -> Floats:
    """Return what two sentences tell about each other over what each tells about itself.

    ``across`` holds the pointwise mutual informations I(x; y) and I(y; x), ``within`` I(x; x) and
    I(y; y), all in nats under the same prompt. Identical sentences give 1, unrelated ones about 0.

    Args:
        across: Arrays ``(pairs,)``, one for each direction.
        within: Arrays ``(pairs,)``, one for each sentence.
        floor: Least denominator in nats, so that a sentence without information cannot divide by 0.

    Returns:
        ``(pairs,)``, unbounded.
    """
    ratio: Floats = np.sum(across, axis=0) / np.maximum(np.sum(within, axis=0), floor)
    return ratio


def scaled_score(ratio: Floats, *, low: float, high: float) -> Floats:
    """Map ``ratio`` linearly so that ``low`` becomes 0 and ``high`` 5, and clip beyond.

    >>> scaled_score(np.array([-1.0, 0.0, 0.5, 1.0, 2.0]), low=0.0, high=1.0).tolist()
    [0.0, 0.0, 2.5, 5.0, 5.0]
    """
    scaled: Floats = np.clip((ratio - low) / (high - low), 0.0, 1.0) * GREATEST_SCORE
    return scaled


def logistic_score(ratio: Floats, *, low: float, high: float) -> Floats:
    """Map ``ratio`` to (0, 5) along an S so that ``low`` becomes 0.25 and ``high`` 4.75.

    Unlike :func:`scaled_score` it keeps the order of any two ratios, also beyond ``low`` and
    ``high``: nothing is clipped into a tie.

    >>> logistic_score(np.array([-0.5, 0.0, 0.5, 1.0, 1.5]), low=0.0, high=1.0).round(2).tolist()
    [0.01, 0.25, 2.5, 4.75, 4.99]
    """
    steepness = 2 * np.log(1 / ANCHORED_SHARE - 1) / (high - low)
    score: Floats = GREATEST_SCORE * expit(steepness * (ratio - (low + high) / 2))
    return score


def combined_scores(scores: Floats, how: str) -> Floats:
    """Make one score a pair out of those of several judges.

    Args:
        scores: ``(judges, pairs)`` in [0, 5]; NaN where a judge could not be read.
        how: ``min``, ``mean`` or ``max``.

    Returns:
        ``(pairs,)`` in [0, 5]; NaN where any judge could not be read: what one judge has left out
        cannot be known from the others.
    """
    functions: dict[str, Callable[..., Floats]] = {"min": np.min, "mean": np.mean, "max": np.max}
    return functions[how](scores, axis=0)
