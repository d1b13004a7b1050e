"""Which triplets the report shows: drawn by a seed, so that equal tables give equal pages."""

import random

import polars as pl


def sample_rows(table: pl.DataFrame, count: int, *, seed: int) -> pl.DataFrame:
    """Draw ``count`` rows without repetition (all when there are fewer), in the table's order.

    Python's generator is used rather than polars' own: its draws are the same in every version.
    """
    return table[sorted(_shuffled(range(len(table)), seed=seed)[:count])]


def evenly_by_reason(rejected: pl.DataFrame, count: int, *, seed: int) -> pl.DataFrame:
    """Draw ``count`` rows by turns from each ``reason``, the most frequent reason first.

    Rare reasons are thus seen beside the common ones. Rows of one reason stand together.
    """
    reasons = rejected["reason"].value_counts().sort(["count", "reason"], descending=[True, False])
    piles = [
        _shuffled((rejected["reason"] == reason).arg_true().to_list(), seed=seed)
        for reason in reasons["reason"].drop_nulls()
    ]
    turns = [
        (place, pile_number, row)
        for pile_number, pile in enumerate(piles)
        for place, row in enumerate(pile[:count])
    ]
    drawn = sorted(turns)[:count]
    return rejected[[row for _, _, row in sorted(drawn, key=lambda turn: (turn[1], turn[2]))]]


def _shuffled(rows: range | list[int], *, seed: int) -> list[int]:
    order = list(rows)
    random.Random(seed).shuffle(order)  # noqa: S311 (a draw of examples, not a secret)
    return order
