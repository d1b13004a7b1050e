"""Conditions in SQL on the texts of a triplet and on what each judge said of it."""

from collections.abc import Sequence

import polars as pl

from stages.errors import PipelineError, did_you_mean
from stages.tables.columns import TEXTS, WRITTEN
from stages.tables.conditions import Condition, Where

EXAMPLE = "encoder_a >= 3 AND (encoder_b <= 3 OR contrast_b <= 1)"
SIDES = dict(zip("ab", WRITTEN, strict=True))
EACH = tuple(f"{side}_scores" for side in WRITTEN)
"""Columns of SCORED with every judge's own scores."""


class Choice:
    """Says which triplets of SCORED meet a condition.

    It may name the texts, every judge's own scores of the two pairs, such as ``forward_a`` and
    ``encoder_b``, and, once all have judged, their combined scores ``a`` and ``b``.

    Args:
        text: The condition.
        judges: Names of the judges, in the order of the lists in SCORED.
        setting: Where the text stands, for messages.
        combined: Whether all have judged, so that there are ``a`` and ``b``.

    Raises:
        PipelineError: When it is no SQL, or names what there is not.
    """

    def __init__(
        self,
        text: str,
        judges: Sequence[str],
        *,
        setting: str = "curate.where",
        combined: bool = True,
    ) -> None:
        self._condition = Condition(text, setting=setting, example=EXAMPLE)
        self._count = len(judges)
        own = {
            (judge, f"{judge}_{letter}"): pl.col(f"{side}_scores").list.get(place, null_on_oob=True)
            for letter, side in SIDES.items()
            for place, judge in enumerate(judges)
        }
        both = {letter: pl.col(f"{side}_score") for letter, side in SIDES.items()}
        known = (both if combined else {}) | {name: scores for (_, name), scores in own.items()}
        columns = self._condition.columns
        for name in columns:
            if name not in (*TEXTS, *known):
                raise PipelineError(
                    f"{setting} = {text!r} names {name!r}{did_you_mean(name, [*TEXTS, *known])}",
                    remedy=f"choose of: {', '.join((*TEXTS, *known))}.",
                )
        self._named = {name: scores for name, scores in known.items() if name in columns}
        self.judges = frozenset(judge for judge, name in own if name in columns)
        """Whose scores the condition looks at."""

    def holds(self, scored: pl.DataFrame) -> pl.Series:
        """Return for every row of SCORED whether the condition holds.

        Without ``judges``, the texts are enough.

        Raises:
            PipelineError: When other judges gave the scores than are named now.
        """
        if self.judges:
            self._check(scored)
        return self._condition.holds(scored.with_columns(**self._named))

    def _check(self, scored: pl.DataFrame) -> None:
        for count in scored[EACH[0]].list.len().unique().drop_nulls().to_list():
            if count != self._count:
                raise PipelineError(
                    f"the triplets hold the scores of {count} judges, and score.judges names "
                    f"{self._count}.",
                    remedy="run `multicsr score` again, or `dvc repro`.",
                )


def asked_where(text: str | None, judges: Sequence[str]) -> Choice | None:
    """Return the condition ``score.where`` of those whom ``judges`` are asked about.

    Raises:
        PipelineError: When it is none, or looks at every judge's scores.
    """
    if text is None:
        return None
    condition = Choice(text, judges, setting="score.where", combined=False)
    if condition.judges == set(judges):
        raise PipelineError(
            f"score.where = {text!r} names every judge of score.judges, so that nobody is left "
            "who would be asked less.",
            remedy="let it look at the cheap judges alone, such as encoder_a; curate.where may "
            "look at all.",
        )
    return condition


def choice_of(text: str | None, judges: Sequence[str]) -> Where | None:
    """Return what asks the condition ``curate.where``, if there is one."""
    return None if text is None else Choice(text, judges).holds
