"""The items an encoder does worst on, with their sentences: what stands behind a low figure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from stages.evaluation.comparison import BOTH
from stages.evaluation.kinds.scores import Floats, TaskScores
from stages.evaluation.tasks.data import AlignedLines, Collection, GradedPairs, LoadedTask
from stages.evaluation.tasks.reading import documents

Scores = Mapping[str, TaskScores]
Rows = NDArray[np.int64]

MOST_CHARACTERS = 1000
"""Longer texts, documents above all, are cut: a page shows them, nothing is computed from them."""


def hardest(
    tasks: Sequence[LoadedTask],
    scores: Sequence[Scores],
    *,
    count: int,
    names: Sequence[str] = BOTH,
) -> list[dict[str, Any]]:
    """Return the ``tasks`` of reports/hardest.json: an entry a task, its worst items first.

    Graded pairs are ordered by how far the last encoder's cosine and the grade are apart in rank
    (the figure is a rank correlation, so this is what costs points). Of the other tasks those
    items are taken that count for less than 1, the least first; of equal ones those that the first
    encoder did best on, for they are what was lost.

    Args:
        tasks: What was measured.
        scores: By task, for each encoder.
        count: Items kept a task.
        names: What the encoders are called, in the order of ``scores``.

    Returns:
        A dictionary a task: ``task``, ``kind``, ``metric``, ``total`` (its items), ``faulty``
        (those that count for less than 1; None for graded pairs) and ``items``. An item has
        ``item`` (its number, from 1), ``texts``, ``wanted`` (grade, label, or text) and for each
        encoder ``value``; of graded pairs also ranks from 0 (least alike) to 100, else ``answer``.
    """
    return [
        _graded(task, task.data, _of(task, scores), count=count, names=names)
        if isinstance(task.data, GradedPairs)
        else _answered(task, _of(task, scores), count=count, names=names)
        for task in tasks
    ]


def rank_shares(values: Floats) -> Floats:
    """Return the rank of each value from 0 (the least) to 100; equal values share one.

    >>> rank_shares(np.array([0.1, 0.7, 0.7, 0.9, 0.2])).tolist()
    [0.0, 62.5, 62.5, 100.0, 25.0]
    """
    shares: Floats = 100 * (rankdata(values) - 1) / max(1, len(values) - 1)
    return shares


def _of(task: LoadedTask, scores: Sequence[Scores]) -> list[TaskScores]:
    return [one[task.task.name] for one in scores]


def _graded(
    task: LoadedTask,
    pairs: GradedPairs,
    scores: Sequence[TaskScores],
    *,
    count: int,
    names: Sequence[str],
) -> dict[str, Any]:
    grades = pairs.table["score"].to_numpy()
    wanted, given = rank_shares(grades), [rank_shares(one.values) for one in scores]
    worst = np.argsort(-np.abs(given[-1] - wanted), kind="stable")[:count]
    rows = pairs.table[worst.tolist()].to_dicts()
    items = [
        {
            "item": int(number) + 1,
            "subset": row["subset"],
            "texts": _cut([row["sentence1"], row["sentence2"]]),
            "wanted": row["score"],
            "wanted_rank": round(float(wanted[number]), 1),
        }
        | {
            name: {
                "value": round(float(one.values[number]), 4),
                "rank": round(float(ranks[number]), 1),
            }
            for name, one, ranks in zip(names, scores, given, strict=True)
        }
        for number, row in zip(worst, rows, strict=True)
    ]
    return _entry(task, total=len(grades), faulty=None, items=items)


def _answered(
    task: LoadedTask, scores: Sequence[TaskScores], *, count: int, names: Sequence[str]
) -> dict[str, Any]:
    values = scores[-1].values
    order = np.lexsort((-scores[0].values, values))
    faulty = order[values[order] < 1]
    worst = faulty[:count]
    texts, wanted = _questions(task, worst)
    answers = _in_words(task, [[one.answers[number] for number in worst] for one in scores])
    items = [
        {"item": int(number) + 1, "texts": _cut(texts[place]), "wanted": _cut(wanted)[place]}
        | {
            name: {
                "value": round(float(one.values[number]), 4),
                "answer": _cut(answers[encoder])[place],
            }
            for encoder, (name, one) in enumerate(zip(names, scores, strict=True))
        }
        for place, number in enumerate(worst)
    ]
    return _entry(task, total=len(values), faulty=len(faulty), items=items)


def _entry(
    task: LoadedTask, *, total: int, faulty: int | None, items: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "task": task.task.name,
        "kind": task.task.kind,
        "metric": task.task.metric,
        "total": total,
        "faulty": faulty,
        "items": items,
    }


def _questions(task: LoadedTask, rows: Rows) -> tuple[list[list[str]], list[str]]:
    """Return what was asked and what would have been right, for the items ``rows``."""
    data = task.data
    match data:
        case Collection():
            names = list(data.queries)
            queries = [names[row] for row in rows]
            best = [_most_relevant(data.relevant[query]) for query in queries]
            texts = _documents(data, best)
            return [[data.queries[query]] for query in queries], [texts[name] for name in best]
        case AlignedLines():
            return [[data.left[row]] for row in rows], [data.right[row] for row in rows]
        case GradedPairs():
            message = "graded pairs have ranks instead of answers"
            raise AssertionError(message)
    table = list(data.tables.values())[-1][rows.tolist()]  # what is tested stands last
    return [list(row) for row in table.select(data.columns).rows()], table["label"].to_list()


def _in_words(task: LoadedTask, answers: list[list[str]]) -> list[list[str]]:
    """Return the answers as text; a collection's are ids of documents."""
    if not isinstance(task.data, Collection):
        return answers
    texts = _documents(task.data, {name for names in answers for name in names})
    return [[texts[name] for name in names] for names in answers]


def _most_relevant(grades: Mapping[str, int]) -> str:
    return max(sorted(grades), key=grades.__getitem__)


def _documents(collection: Collection, names: Iterable[str]) -> dict[str, str]:
    """Return texts by id, from one more pass over the file; empty where there is no such id."""
    found = dict.fromkeys(names, "")
    if found:
        found |= {name: text for name, text in documents(collection.corpus) if name in found}
    return found


def _cut(texts: Sequence[str]) -> list[str]:
    return [
        text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"
        for text in texts
    ]
