"""The triplets that the page can search by itself: all of them, or as many as fit."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from stages.reporting.wording import PLACEHOLDER, number, plain, readable, reason_in_words
from stages.tables.columns import TEXTS

MOST_BYTES = 5_000_000
"""Of all triplets together as they stand in the page, which has to stay under 10 MB."""
TEXT_CHARACTERS = 400
LEAST_BYTES = 20
"""Of a triplet, with nothing but empty texts."""
FIRST_ROWS = 9
"""Triplets that are there before, or without, any search; also those of a page of results."""
KEPT = "kept"
COLUMNS = ("id", "sample", "reason", *TEXTS, "entailment_score", "contradiction_score")
# What could end the element that holds the data, or begin another one in it.
HARMLESS = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


@dataclass(frozen=True, kw_only=True)
class Triplet:
    """A triplet as it is shown: texts cut, scores in words, ``fate`` a reason or ``kept``."""

    fate: str
    premise: str
    entailment: str
    contradiction: str
    a: str
    b: str


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What became of some triplets: ``kept`` or a reason, in words, and how many are shown."""

    name: str
    meaning: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Browsable:
    """The triplets in the page.

    Args:
        first: Those shown before any search.
        fates: What they may be filtered by, kept first, then the reasons by how many there are.
        total: Number of all triplets.
        shown: Number of those in the page.
        data: All of them as JSON that may stand in an HTML element: ``fates`` (meanings)
            and ``rows`` (number of the fate, three texts, a, b).
    """

    first: tuple[Triplet, ...]
    fates: tuple[Fate, ...]
    total: int
    shown: int
    data: str


def browsable(parts: Iterable[pl.DataFrame], *, most_bytes: int = MOST_BYTES) -> Browsable | None:
    """Bring triplets into the form the page searches; None when there are none.

    When not all fit, those with the least ids are taken: an id is a digest of its sentence, so this
    is a fair sample, and the same one every time.

    Args:
        parts: Rows of COLUMNS, of which only those that may fit are kept in memory.
        most_bytes: Most bytes of ``data``.
    """
    rows, total = _least(parts, most_bytes // LEAST_BYTES)
    if not total:
        return None
    shown = _fitting(rows.iter_rows(named=True), most_bytes=most_bytes)
    names = [KEPT, *(name for name, _ in Counter(row.fate for row in shown).most_common())]
    order = {name: place for place, name in enumerate(dict.fromkeys(names))}
    counts = Counter(row.fate for row in shown)
    fates = tuple(
        Fate(name=name, meaning=plain(_meaning(name)), count=counts[name]) for name in order
    )
    data = {
        "fates": [fate.meaning for fate in fates],
        "rows": [_packed(row, order) for row in shown],
    }
    return Browsable(
        first=tuple(shown[:FIRST_ROWS]),
        fates=fates,
        total=total,
        shown=len(shown),
        data=_written(data),
    )


def _least(parts: Iterable[pl.DataFrame], most: int) -> tuple[pl.DataFrame, int]:
    """Return, in order, the ``most`` rows with the least ids, and the number of all rows."""
    least, total = pl.DataFrame(), 0
    for part in parts:
        total += len(part)
        rows = part.select(COLUMNS)
        if len(least) == most:
            rows = rows.filter((pl.col("id") <= least["id"][-1]).fill_null(value=True))
        both = pl.concat([least, rows]) if len(least) else rows
        least = both.sort("id", "sample", maintain_order=True).head(most)
        # Copied by Arrow: else the few rows would keep the memory of all texts.
        least = pl.DataFrame(least.to_arrow(compat_level=pl.CompatLevel.oldest()))
    return least, total


def _fitting(rows: Iterable[Mapping[str, Any]], *, most_bytes: int) -> list[Triplet]:
    shown: list[Triplet] = []
    room = most_bytes
    for row in rows:
        triplet = _triplet(row)
        room -= len(_written(_packed(triplet, {triplet.fate: 99})).encode()) + 1
        if room < 0:
            break
        shown.append(triplet)
    return shown


def _triplet(row: Mapping[str, Any]) -> Triplet:
    premise, entailment, contradiction = (_cut(row[name]) for name in TEXTS)
    return Triplet(
        fate=row["reason"],
        premise=premise,
        entailment=entailment,
        contradiction=contradiction,
        a=number(row["entailment_score"]),
        b=number(row["contradiction_score"]),
    )


def _packed(row: Triplet, order: Mapping[str, int]) -> list[object]:
    return [order[row.fate], row.premise, row.entailment, row.contradiction, row.a, row.b]


def _cut(text: str | None) -> str:
    whole = readable(text or "")
    if len(whole) <= TEXT_CHARACTERS:
        return whole
    return f"{whole[:TEXT_CHARACTERS]} \N{HORIZONTAL ELLIPSIS} [{len(whole):,} characters]"


def _meaning(fate: str) -> str:
    return KEPT if fate == KEPT else reason_in_words(fate)


def _written(data: object) -> str:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    # A lone half of a character cannot be written in UTF-8.
    return text.encode("utf-8", "replace").decode().replace("\0", PLACEHOLDER).translate(HARMLESS)
