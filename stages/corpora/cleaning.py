"""From sentences as written to a table of distinct, normalised sentences with stable ids."""

from dataclasses import dataclass, replace

import polars as pl

from stages.corpora.distinct import Seen
from stages.corpora.normal_form import normalise, sentence_ids
from stages.tables.schemas import SENTENCES


@dataclass(frozen=True)
class Counts:
    """What became of every row read; the parts add up to ``read``."""

    read: int = 0
    not_chosen: int = 0
    empty: int = 0
    overlong: int = 0
    duplicates: int = 0
    beyond_limit: int = 0
    kept: int = 0


class Cleaner:
    """Normalises sentences that come in parts, and keeps the distinct, usable ones in their order.

    Two sentences are duplicates when their ids are equal, which is when their normal forms are
    equal character by character (case and punctuation count); the first one stays. Only the ids
    are remembered: 8 bytes a sentence, so that a corpus may be larger than the memory.

    Args:
        max_characters: Longest sentence kept, in Unicode characters of its normal form.
        limit: Keep only the first so many distinct sentences; None keeps all.
    """

    def __init__(self, *, max_characters: int, limit: int | None) -> None:
        self.counts = Counts()
        self._max_characters = max_characters
        self._limit = limit
        self._seen = Seen()

    def clean(self, raw: pl.Series, chosen: pl.Series | None = None) -> pl.DataFrame:
        """Return SENTENCES (stages/tables/schemas.py) for the next rows, and count them.

        Args:
            raw: Strings without nulls; their ``line`` goes on from the rows before, from 1.
            chosen: For each of them whether it is asked for at all; None asks for all.
        """
        counts = self.counts
        rows = raw.to_frame("sentence").with_row_index("line", offset=counts.read + 1)
        wanted = rows if chosen is None else rows.filter(chosen)
        characters = pl.col("sentence").str.len_chars()
        normal = wanted.with_columns(normalise(wanted["sentence"]).alias("sentence"))
        filled = normal.filter(characters > 0)
        short = filled.filter(characters <= self._max_characters)
        short = short.with_columns(sentence_ids(short["sentence"]))
        key = short["id"].bin.reinterpret(dtype=pl.UInt64, endianness="big")
        distinct = short.filter(pl.Series(self._seen.first(key.to_numpy())))
        room = len(distinct) if self._limit is None else self._limit - counts.kept
        kept = distinct.head(max(0, room))
        self.counts = replace(
            counts,
            read=counts.read + len(rows),
            not_chosen=counts.not_chosen + len(rows) - len(wanted),
            empty=counts.empty + len(wanted) - len(filled),
            overlong=counts.overlong + len(filled) - len(short),
            duplicates=counts.duplicates + len(short) - len(distinct),
            beyond_limit=counts.beyond_limit + len(distinct) - len(kept),
            kept=counts.kept + len(kept),
        )
        return kept.with_columns(
            pl.col("id").bin.encode("hex"), pl.col("line").cast(pl.Int64)
        ).select(SENTENCES.keys())
