"""What a judge said who was asked about some of the triplets only."""

from collections.abc import Iterable, Iterator

import polars as pl

from stages.tables.columns import WRITTEN
from stages.tables.rows import Rows
from stages.tables.schemas import SCORED

NOTHING = {"score": None, "answer": "", "scores": [None]}
SAID = {f"{side}_{part}": value for side in WRITTEN for part, value in NOTHING.items()}
UNASKED = pl.DataFrame([SAID], schema={name: SCORED[name] for name in SAID})
"""What SCORED says of a triplet, besides itself, that nobody was asked about."""


def spread(
    said: Iterable[pl.DataFrame], rows: Rows, asked: pl.Series, *, at_once: int
) -> Iterator[pl.DataFrame]:
    """Yield SCORED for all ``rows``, ``at_once`` at a time, of which some were asked about.

    Args:
        said: SCORED of those that were, in order, in parts of any length.
        rows: TRIPLETS.
        asked: For each of them whether it was.
        at_once: Rows a part.
    """
    answers = _Answers(said)
    for start in range(0, len(rows), at_once):
        part = rows.part(start, at_once)
        mask = asked.slice(start, len(part))
        found = answers.take(int(mask.sum()))
        # The last row stands for all that nobody was asked about.
        known = pl.concat([found, UNASKED])
        place = pl.select(pl.when(mask).then(mask.cum_sum() - 1).otherwise(len(found))).to_series()
        yield part.hstack(known[place]).select(SCORED.keys())


class _Answers:
    """Gives so many rows of a stream of tables as are asked for."""

    def __init__(self, parts: Iterable[pl.DataFrame]) -> None:
        self._parts = iter(parts)
        self._rest = UNASKED.clear()

    def take(self, count: int) -> pl.DataFrame:
        """Return the next ``count`` rows, of which there must be so many."""
        while len(self._rest) < count:
            self._rest = pl.concat([self._rest, next(self._parts).select(UNASKED.columns)])
        taken, self._rest = self._rest.head(count), self._rest.slice(count)
        return taken
