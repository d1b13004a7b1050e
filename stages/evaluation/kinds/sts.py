"""Kind ``sts``: do cosines rank pairs as people do?"""

import numpy as np

from stages.encoders.vector_store import VectorStore
from stages.equations.hypersphere import alignment, uniformity
from stages.errors import PipelineError
from stages.evaluation.kinds.scores import Floats, TaskScores
from stages.evaluation.tasks.data import GradedPairs

POSITIVE_ABOVE = 4.0
"""Pairs graded higher mean the same: those that SimCSE measures alignment on."""


def score(name: str, pairs: GradedPairs, store: VectorStore) -> TaskScores:
    """Return the cosines of all pairs, with alignment and uniformity as further measures.

    Raises:
        PipelineError: When the encoder tells no pair from another.
    """
    table = pairs.table
    left, right = (store.vectors(table[side].to_list()) for side in ("sentence1", "sentence2"))
    cosines: Floats = np.einsum("ij,ij->i", left, right, dtype=float)
    if not np.ptp(cosines) > 0:  # also when NaN
        raise PipelineError(
            f"{store.encoder} gives all pairs of the benchmark {name!r} the same cosine, or none.",
            remedy="it has collapsed: train again with a lower train.learning_rate.",
        )
    grades = table["score"].to_numpy()
    measures = {"uniformity": uniformity(store.vectors(_distinct(pairs)))}
    same = grades > POSITIVE_ABOVE
    if same.any():
        measures["alignment"] = alignment(left[same], right[same])
    return TaskScores(cosines, grades, table["subset"].to_list(), dict(sorted(measures.items())))


def _distinct(pairs: GradedPairs) -> list[str]:
    return list(dict.fromkeys([*pairs.table["sentence1"], *pairs.table["sentence2"]]))
