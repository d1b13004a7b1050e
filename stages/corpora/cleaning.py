"""From sentences as written to a table of distinct, normalised sentences with stable ids."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from stages.corpora.normal_form import normalise, sentence_id
from stages.tables import SENTENCES

SLICE_ROWS = 100_000


@dataclass(frozen=True)
class Counts:
    """What became of every row read; the parts add up to ``read``."""

    read: int
    empty: int
    overlong: int
    duplicates: int
    beyond_limit: int
    kept: int


@dataclass(frozen=True)
class Cleaned:
    """The sentences that stay, as SENTENCES (stages/tables.py), and how many did not."""

    sentences: pl.DataFrame
    counts: Counts


def clean(
    raw: pl.Series,
    *,
    max_characters: int,
    limit: int | None,
    advance: Callable[[int], None] | None = None,
) -> Cleaned:
    """Normalise ``raw`` and keep the distinct, usable sentences in the order they came.

    Two sentences are duplicates when their normal forms are equal character by character (case and
    punctuation count), which is also when their ids are equal; the first one stays.

    Args:
        raw: Strings without nulls; entry ``i`` (from 0) is reported as line ``i + 1``.
        max_characters: Longest sentence kept, in Unicode characters of its normal form.
        limit: Keep only the first so many distinct sentences; None keeps all.
        advance: Told how many rows were just normalised.
    """
    rows = _normalised(raw, advance).to_frame("sentence").with_row_index("line", offset=1)
    characters = pl.col("sentence").str.len_chars()
    filled = rows.filter(characters > 0)
    short = filled.filter(characters <= max_characters)
    distinct = short.unique("sentence", keep="first", maintain_order=True)
    kept = distinct if limit is None else distinct.head(limit)
    counts = Counts(
        read=len(rows),
        empty=len(rows) - len(filled),
        overlong=len(filled) - len(short),
        duplicates=len(short) - len(distinct),
        beyond_limit=len(distinct) - len(kept),
        kept=len(kept),
    )
    ids = pl.Series("id", [sentence_id(text) for text in kept["sentence"]], dtype=pl.String)
    return Cleaned(
        kept.with_columns(ids, pl.col("line").cast(pl.Int64)).select(SENTENCES.keys()), counts
    )


def _normalised(raw: pl.Series, advance: Callable[[int], None] | None) -> pl.Series:
    slices = []
    for piece in raw.to_frame().iter_slices(SLICE_ROWS):
        slices.append(normalise(piece.to_series()))
        if advance is not None:
            advance(len(piece))
    return pl.concat(slices) if slices else raw
