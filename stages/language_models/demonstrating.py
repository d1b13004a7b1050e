"""Sentences that come with the labelled triplets that shall be shown for them."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.tables.columns import TEXTS
from stages.tables.rows import Rows

EXAMPLES = "examples"
"""Column of the triplets to show, the nearest last."""
NONE = -1
EXAMPLES_TYPE = pl.List(pl.Struct(dict.fromkeys(TEXTS, pl.String)))


class RowsWithExamples(Rows):
    """Some sentences, each with its examples: four bytes each in memory, wherever the rows are.

    So the examples are part of what the rows' digest covers, and go where the rows go.

    Args:
        sentences: SENTENCES.
        pool: Labelled triplets with the columns TEXTS.
        places: ``(sentences, examples)`` int32, which of the pool are shown, the nearest first;
            NONE behind the last.
    """

    def __init__(self, sentences: Rows, pool: pl.DataFrame, places: NDArray[np.int32]) -> None:
        self._sentences = sentences
        self._pool = pool.select(pl.struct(TEXTS)).to_series()
        self._places = places

    @property
    def demonstrated(self) -> int:
        """How many sentences have an example."""
        return int((self._places[:, 0] != NONE).sum())

    @property
    def columns(self) -> Sequence[str]:
        """Those of the sentences, and EXAMPLES."""
        return [*self._sentences.columns, EXAMPLES]

    @property
    def size(self) -> float:
        """Bytes that all of them may take in memory."""
        shown = int((self._places != NONE).sum())
        each = self._pool.estimated_size() / max(1, len(self._pool))
        return self._sentences.size + shown * each

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._sentences)

    def part(self, start: int, rows: int) -> pl.DataFrame:
        """Return ``rows`` sentences from ``start`` on, fewer at the end."""
        part = self._sentences.part(start, rows)
        places = self._places[start : start + len(part)]
        shown = [self._pool[near[near != NONE][::-1]].to_list() for near in places]
        return part.with_columns(pl.Series(EXAMPLES, shown, dtype=EXAMPLES_TYPE))


def places_of(found: Iterable[Sequence[int]], *, rows: int, most: int) -> NDArray[np.int32]:
    """Return as ``places`` what was found for each of ``rows`` sentences, at most ``most`` each."""
    places = np.full((rows, most), NONE, dtype=np.int32)
    for row, near in zip(places, found, strict=True):
        row[: len(near)] = near
    return places


def examples_of(sentences: pl.DataFrame) -> Mapping[str, Sequence[Mapping[str, str]]]:
    """Return the examples by the id of their sentence; nothing where no column holds any."""
    if EXAMPLES not in sentences.columns:
        return {}
    return dict(sentences.select("id", EXAMPLES).iter_rows())
