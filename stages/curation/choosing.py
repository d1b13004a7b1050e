"""Curation by a condition in SQL on the texts and on what each judge said of them."""

from collections.abc import Sequence

import polars as pl

from stages.curation.flaws import WRITTEN
from stages.curation.rules import JUDGED, Where
from stages.curation.steering import TEXTS
from stages.errors import PipelineError, did_you_mean
from stages.tables.conditions import Condition

EXAMPLE = "encoder_a >= 3 AND (encoder_b <= 3 OR contrast_b <= 1)"
SIDES = dict(zip("ab", WRITTEN, strict=True))
EACH = tuple(f"{side}_scores" for side in WRITTEN)
"""Columns of SCORED with every judge's own scores."""


class Choice:
    """Says which triplets of SCORED meet ``curate.where``.

    The condition may name the texts, ``a`` and ``b``, and every judge's own scores of the two,
    such as ``forward_a`` and ``encoder_b``.

    Args:
        text: The condition.
        judges: Names of the judges, in the order of ``score.judges``.

    Raises:
        PipelineError: When it is no SQL, or names what there is not.
    """

    def __init__(self, text: str, judges: Sequence[str]) -> None:
        self._condition = Condition(text, setting="curate.where", example=EXAMPLE)
        self._count = len(judges)
        self._named = {
            **{letter: pl.col(f"{side}_score") for letter, side in SIDES.items()},
            **{
                f"{judge}_{letter}": pl.col(f"{side}_scores").list.get(place, null_on_oob=True)
                for letter, side in SIDES.items()
                for place, judge in enumerate(judges)
            },
        }
        known = [*TEXTS, *self._named]
        for name in self._condition.columns:
            if name not in known:
                raise PipelineError(
                    f"curate.where = {text!r} names {name!r}{did_you_mean(name, known)}",
                    remedy=f"choose of: {', '.join(known)}.",
                )

    def holds(self, scored: pl.DataFrame) -> pl.Series:
        """Return for every row of SCORED whether the condition holds.

        Raises:
            PipelineError: When other judges gave the scores than are named now.
        """
        for count in scored[EACH[0]].list.len().unique().drop_nulls().to_list():
            if count != self._count:
                raise PipelineError(
                    f"the triplets hold the scores of {count} judges, and score.judges names "
                    f"{self._count}.",
                    remedy="run `multicsr score` again, or `dvc repro`.",
                )
        names = self._named.keys() & self._condition.columns
        wanted = {name: self._named[name] for name in names}
        return self._condition.holds(scored.with_columns(**wanted))


def choice_of(text: str | None, judges: Sequence[str]) -> tuple[Where | None, tuple[str, ...]]:
    """Return what asks the condition, if there is one, and the columns that curation reads."""
    if text is None:
        return None, JUDGED
    return Choice(text, judges).holds, (*JUDGED, *EACH)
