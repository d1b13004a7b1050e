"""Logistic regression on frozen vectors, by SentEval's protocol.

The regularisation is chosen by cross-validation inside the training data, or on the dev set where
there is one; vectors are used as the encoder gives them, neither centred nor scaled.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import PredefinedSplit, StratifiedKFold
from threadpoolctl import threadpool_limits

Features = NDArray[np.float32]
Labels = NDArray[np.int64]
Rows = NDArray[np.int64]

STRENGTHS = (0.25, 1.0, 4.0, 16.0, 64.0, 256.0)
"""Inverse regularisation tried, strongest first. SentEval's grid ends at 8 or 32, which is too
strong for vectors of length 1; a factor of 4 between two moves accuracy by less than folds do."""
SEED = 1111
"""SentEval's seed of the folds."""
FOLDS = 10
TOLERANCE = 1e-4
"""Tighter ones take twice the time and move accuracies by 0.3 points at most, either way."""
MOST_STEPS = 1000


def cross_validated(features: Features, labels: Labels, *, folds: int) -> Labels:
    """Return for each row the label that a classifier trained on the other folds gives it.

    Every fold's regularisation is chosen by as many folds of its own training rows.

    Args:
        features: ``(rows, width)``.
        labels: ``(rows,)``, each label on at least ``folds`` rows.
        folds: Number of folds, outer and inner.
    """

    def predicted(split: tuple[Rows, Rows]) -> tuple[Rows, Labels]:
        train, test = split
        model = _fitted(features[train], labels[train], _folds(folds))
        return test, model.predict(features[test])

    given = np.zeros_like(labels)
    splits = list(_folds(folds).split(features, labels))
    # One core a fold: these products are too small for several threads to meet over each.
    with threadpool_limits(1), ThreadPoolExecutor(os.cpu_count()) as threads:
        for rows, found in threads.map(predicted, splits):
            given[rows] = found
    return given


def held_out(
    train: tuple[Features, Labels],
    test: Features,
    *,
    dev: tuple[Features, Labels] | None,
    folds: int | None,
) -> Labels:
    """Return for each row of ``test`` the label that a classifier trained on ``train`` gives it.

    The regularisation is chosen on ``dev``, or by ``folds`` of ``train``; either is given. What is
    chosen on ``dev`` is not trained again with it, as in SentEval.
    """
    if dev is None:
        with threadpool_limits(1):
            model = _fitted(*train, _folds(folds or FOLDS))
    else:
        features = np.concatenate([train[0], dev[0]])
        labels = np.concatenate([train[1], dev[1]])
        in_dev = np.repeat([-1, 0], [len(train[1]), len(dev[1])])
        with threadpool_limits(1):
            model = _fitted(features, labels, PredefinedSplit(in_dev), refit=False)
    given: Labels = model.predict(test)
    return given


def _folds(folds: int) -> StratifiedKFold:
    return StratifiedKFold(folds, shuffle=True, random_state=SEED)


def _fitted(features: Features, labels: Labels, split: Any, *, refit: bool = True) -> Any:
    """Return a classifier whose regularisation was chosen by ``split``.

    Each strength starts from the coefficients of the one before.
    """
    model = LogisticRegressionCV(
        Cs=STRENGTHS,
        l1_ratios=(0,),
        cv=split,
        scoring="accuracy",
        tol=TOLERANCE,
        max_iter=MOST_STEPS,
        refit=refit,
        use_legacy_attributes=False,
    )
    return model.fit(features, labels)
