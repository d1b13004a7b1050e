"""Kind ``bitext``: is a line's translation the nearest of all lines of the other side?"""

import numpy as np

from stages.encoders.embedding import Vectors
from stages.encoders.vector_store import VectorStore
from stages.equations.hypersphere import alignment, uniformity
from stages.evaluation.kinds.scores import Floats, TaskScores
from stages.evaluation.tasks.data import AlignedLines

BLOCK_ROWS = 1024


def score(lines: AlignedLines, store: VectorStore) -> TaskScores:
    """Return for each line the share of the two directions in which its partner is found."""
    left, right = store.vectors(lines.left), store.vectors(lines.right)
    forth, back = found(left, right), found(right, left)
    both = store.vectors(list(dict.fromkeys([*lines.left, *lines.right])))
    measures = {
        "accuracy left to right": 100 * float(forth.mean()),
        "accuracy right to left": 100 * float(back.mean()),
        "alignment": alignment(left, right),
        "uniformity": uniformity(both),
    }
    return TaskScores((forth + back) / 2, measures=measures)


def found(queries: Vectors, candidates: Vectors) -> Floats:
    """Return 1 where candidate ``i`` is the nearest to query ``i``, else 0.

    A candidate that is just as near, such as the same sentence on another line, does no harm.
    """
    hits = [
        cosines.max(axis=1) <= cosines[np.arange(len(cosines)), start + np.arange(len(cosines))]
        for start in range(0, len(queries), BLOCK_ROWS)
        for cosines in (queries[start : start + BLOCK_ROWS] @ candidates.T,)
    ]
    found: Floats = np.concatenate(hits).astype(float)
    return found
