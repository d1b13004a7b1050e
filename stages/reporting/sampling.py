"""Which triplets the report shows: drawn by a seed, so that equal tables give equal pages."""

import random
from collections.abc import Sequence

import polars as pl


def drawn_rows(rows: int, count: int, *, seed: int) -> list[int]:
    """Draw ``count`` of ``rows`` numbers without repetition (all when there are fewer), in order.

    Python's generator is used rather than polars' own: its draws are the same in every version.
    """
    return sorted(_drawn(range(rows), count, seed=seed))


def evenly_by_reason(reasons: pl.Series, count: int, *, seed: int) -> list[int]:
    """Draw ``count`` row numbers by turns from each reason, the most frequent reason first.

    Rare reasons are thus seen beside the common ones. Rows of one reason stand together.

    Args:
        reasons: Of each row.
        count: Rows drawn, all when there are fewer.
        seed: Of the draw.
    """
    counted = reasons.drop_nulls().cast(pl.String).value_counts()
    named = counted.sort(["count", reasons.name], descending=[True, False])[reasons.name]
    turns = [
        (place, pile_number, row)
        for pile_number, reason in enumerate(named)
        for place, row in enumerate(
            _drawn((reasons == reason).arg_true().to_numpy(), count, seed=seed)
        )
    ]
    drawn = sorted(turns)[:count]
    return [int(row) for _, _, row in sorted(drawn, key=lambda turn: (turn[1], turn[2]))]


def _drawn(rows: Sequence[int], count: int, *, seed: int) -> list[int]:
    places = random.Random(seed).sample(range(len(rows)), min(count, len(rows)))  # noqa: S311
    return [rows[place] for place in places]
