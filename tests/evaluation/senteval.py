"""SentEval's recipe for scikit-learn, written anew, as it reads: loops, its own grids, no reuse.

Independent of stages/evaluation/probing.py: plain LogisticRegression, every fit from zero, the
regularisation chosen by hand.
"""

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

Features = NDArray[np.float32]
Labels = NDArray[np.int64]

SEED = 1111
GRID = tuple(2.0**power for power in range(-2, 4))
GRID_OF_SPLIT_WITH_FOLDS = tuple(2.0**power for power in range(-1, 6))


def accuracy_by_folds(x: Features, y: Labels, *, folds: int) -> float:
    """Return the mean accuracy in % over outer folds, each with its own choice by inner folds."""
    outer = _folds(folds).split(x, y)
    right = [_chosen_by_folds(x[a], y[a], folds, GRID).score(x[b], y[b]) for a, b in outer]
    return 100 * float(np.mean(right))


def accuracy_with_folds(
    train: tuple[Features, Labels], test: tuple[Features, Labels], *, folds: int
) -> float:
    """Return the accuracy in % on ``test`` of what folds of ``train`` chose."""
    return 100 * float(_chosen_by_folds(*train, folds, GRID_OF_SPLIT_WITH_FOLDS).score(*test))


def accuracy_with_dev(
    train: tuple[Features, Labels], dev: tuple[Features, Labels], test: tuple[Features, Labels]
) -> float:
    """Return the accuracy in % on ``test`` of what does best on ``dev``."""
    models = [_fitted(*train, strength) for strength in GRID]
    best = max(models, key=lambda model: model.score(*dev))
    return 100 * float(best.score(*test))


def _chosen_by_folds(
    x: Features, y: Labels, folds: int, grid: tuple[float, ...]
) -> LogisticRegression:
    means = []
    for strength in grid:
        inner = _folds(folds).split(x, y)
        right = [_fitted(x[a], y[a], strength).score(x[b], y[b]) for a, b in inner]
        means.append(np.mean(right))
    return _fitted(x, y, grid[int(np.argmax(means))])


def _folds(folds: int) -> StratifiedKFold:
    return StratifiedKFold(folds, shuffle=True, random_state=SEED)


def _fitted(x: Features, y: Labels, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, max_iter=2000, random_state=SEED).fit(x, y)
