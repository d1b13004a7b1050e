"""Which of many keys come for the first time, in eight bytes a key."""

import numpy as np
from numpy.typing import NDArray

Keys = NDArray[np.uint64]


class Seen:
    """Remembers keys that come some at a time.

    Sorted runs, of which no two are of like length: a run that grows as long as the one before is
    merged into it. Each key is so moved a few times, and looked for in a few runs.
    """

    def __init__(self) -> None:
        self._runs: list[Keys] = []

    def first(self, keys: Keys) -> NDArray[np.bool_]:
        """Return which of ``keys`` never came before, neither among them nor in earlier calls."""
        distinct, places = np.unique(keys, return_index=True)
        new = np.ones(len(distinct), dtype=bool)
        for run in self._runs:
            found = np.searchsorted(run, distinct)
            new &= run[np.minimum(found, len(run) - 1)] != distinct
        first = np.zeros(len(keys), dtype=bool)
        first[places[new]] = True
        self._remember(distinct[new])
        return first

    def _remember(self, run: Keys) -> None:
        if not len(run):
            return
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.concatenate([self._runs.pop(), run])
            run.sort(kind="stable")
        self._runs.append(run)
