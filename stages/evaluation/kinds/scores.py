"""What an encoder got on a task: one value an item, from which every figure follows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TaskScores:
    """One encoder on one task.

    Attributes:
        values: ``(items,)``. Kind ``sts``: cosines. All others: what each item counts for, in
            [0, 1], so that the main figure is the mean.
        grades: ``(items,)`` what people said, for ``sts``; None for the others.
        subsets: Of ``sts``, the part of the data each item belongs to.
        measures: Further figures by name, as they are shown.
        answers: What the encoder said of each item. Kind ``classification``: the label given;
            ``retrieval``: the id of the first document; ``bitext``: the line of the right side
            that is nearest to the left one. Empty for ``sts``.
    """

    values: Floats
    grades: Floats | None = None
    subsets: Sequence[str] = ()
    measures: Mapping[str, float] = field(default_factory=dict)
    answers: Sequence[str] = ()
