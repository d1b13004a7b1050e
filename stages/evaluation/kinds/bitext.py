"""Kind ``bitext``: is a line's translation the nearest of all lines of the other side?"""

import numpy as np
from numpy.typing import NDArray

from stages.encoders.embedding import Vectors
from stages.encoders.vector_store import VectorStore
from stages.equations.hypersphere import alignment, uniformity
from stages.evaluation.kinds.scores import Floats, TaskScores
from stages.evaluation.tasks.data import AlignedLines

BLOCK_ROWS = 1024


def score(lines: AlignedLines, store: VectorStore) -> TaskScores:
    """Return for each line the share of the two directions in which its partner is found."""
    left, right = store.vectors(lines.left), store.vectors(lines.right)
    (forth, nearest), (back, _) = searched(left, right), searched(right, left)
    both = store.vectors(list(dict.fromkeys([*lines.left, *lines.right])))
    measures = {
        "accuracy left to right": 100 * float(forth.mean()),
        "accuracy right to left": 100 * float(back.mean()),
        "alignment": alignment(left, right),
        "uniformity": uniformity(both),
    }
    answers = [lines.right[line] for line in nearest]
    return TaskScores((forth + back) / 2, measures=measures, answers=answers)


def searched(queries: Vectors, candidates: Vectors) -> tuple[Floats, NDArray[np.int64]]:
    """Search every candidate for each query.

    Returns:
        ``(queries,)`` 1 where candidate ``i`` is the nearest to query ``i``, else 0: a candidate
        that is just as near, such as the same sentence on another line, does no harm.
        ``(queries,)`` the number of the nearest candidate, its own where several are as near.
    """
    hits, nearest = [], []
    for start in range(0, len(queries), BLOCK_ROWS):
        cosines = queries[start : start + BLOCK_ROWS] @ candidates.T
        own = start + np.arange(len(cosines))
        hit = cosines.max(axis=1) <= cosines[np.arange(len(cosines)), own]
        hits.append(hit)
        nearest.append(np.where(hit, own, cosines.argmax(axis=1)))
    return np.concatenate(hits).astype(float), np.concatenate(nearest)
