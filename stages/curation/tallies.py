"""What the metrics of generate and score say of their tables, counted some rows at a time."""

import polars as pl

from stages.curation.closeness import Closeness
from stages.curation.flaws import flaw_expression
from stages.equations.running_mean import RunningMean
from stages.tables.columns import WRITTEN
from stages.tables.conditions import Where

ALIKE = 4.5
"""Score from which two sentences count as alike."""


class WrittenTally:
    """Counts what was written, and how close it is to the premises."""

    def __init__(self) -> None:
        self.rows = 0
        self.finished = 0
        """Rows of which both answers are finished."""
        self._closeness = Closeness()

    def add(self, triplets: pl.DataFrame) -> None:
        """Count some TRIPLETS."""
        ended = triplets["entailment_finished"] & triplets["contradiction_finished"]
        self.rows += len(triplets)
        self.finished += int(ended.sum())
        self._closeness.add(triplets)

    def counts(self) -> dict[str, int]:
        """Return how many rows there are, and how many of them are finished and are not."""
        unfinished = self.rows - self.finished
        return {"rows": self.rows, "finished": self.finished, "unfinished": unfinished}

    def closeness(self) -> dict[str, dict[str, float]]:
        """Return the figures of :class:`Closeness`."""
        return self._closeness.figures()


class ScoredTally:
    """Counts what became of the scores, and how great they are.

    Args:
        asked: Says which rows of SCORED every judge was asked about, besides those with a flaw.
    """

    def __init__(self, asked: Where | None = None) -> None:
        self._asked = asked
        self._rows = 0
        self._scored = 0
        self._unasked = 0
        self._means = {name: RunningMean() for name in WRITTEN}
        self._alike = dict.fromkeys(WRITTEN, 0)

    def add(self, table: pl.DataFrame) -> None:
        """Count some rows of SCORED."""
        both = table["entailment_score"].is_not_null() & table["contradiction_score"].is_not_null()
        self._rows += len(table)
        self._scored += int(both.sum())
        unasked = table.select(flaw_expression().is_not_null()).to_series()
        if self._asked is not None:
            unasked |= ~both & ~self._asked(table)
        self._unasked += int(unasked.sum())
        for name in WRITTEN:
            scores = table[f"{name}_score"].drop_nulls()
            self._means[name].add(scores.to_list())
            self._alike[name] += int((scores >= ALIKE).sum())

    def counts(self) -> dict[str, int]:
        """Count triplets with both scores, those not asked about, and answers without a number."""
        counts = {"scored": self._scored, "not_asked": self._unasked}
        return {"rows": self._rows, **counts, "unreadable": self._rows - sum(counts.values())}

    def levels(self) -> dict[str, dict[str, float]]:
        """Return the mean of a and of b, and the shares that the judges hold to be (nearly) alike.

        Nothing of a hypothesis without any score.
        """
        return {
            name: {
                "mean": round(scores.mean, 4),
                "alike": round(self._alike[name] / scores.count, 4),
            }
            for name, scores in self._means.items()
            if scores.count
        }
