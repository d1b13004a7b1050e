"""How graded pairs lie among an encoder's vectors, made ready to be drawn.

Cosines by grade say what a rank correlation sees; a flat map of some pairs shows where they lie.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from sklearn.decomposition import PCA

from stages.encoders.embedding import Vectors
from stages.encoders.vector_store import VectorStore
from stages.evaluation.bootstrap import task_seed
from stages.evaluation.comparison import BOTH
from stages.evaluation.kinds.scores import Floats, TaskScores
from stages.evaluation.tasks.data import GradedPairs, LoadedTask

Rows = NDArray[np.int64]

BANDS = 5
"""Bands of grades, each one grade wide: 0 to 1, and so on up to 4 to 5."""
LEAST_PAIRS = 5
"""A band of fewer pairs has no quantiles worth a drawing."""
QUANTILES = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}
MOST_FITTED = 4000
"""Sentences that decide the axes of the map; more take time and hardly turn the axes."""
MOST_CHARACTERS = 200
"""Longer sentences are cut in the map's list."""


def space(
    tasks: Sequence[LoadedTask],
    scores: Sequence[Mapping[str, TaskScores]],
    stores: Sequence[VectorStore],
    *,
    drawn_pairs: int,
    seed: int,
    names: Sequence[str] = BOTH,
) -> list[dict[str, Any]]:
    """Return the ``tasks`` of reports/space/space.json: an entry a task of graded pairs.

    Args:
        tasks: What was measured; those of other kinds are passed over.
        scores: By task, for each encoder.
        stores: The vectors of each encoder.
        drawn_pairs: Pairs on each map, by turns from every band of grades; 0 makes no map.
        seed: Seed of their choice.
        names: What the encoders are called, in the order of ``scores``.

    Returns:
        Dictionaries with ``task``, ``pairs``, ``bands`` (see :func:`by_grade`) and ``map`` (see
        :func:`flat_map`; None without one).
    """
    entries = []
    for task in tasks:
        if not isinstance(task.data, GradedPairs):
            continue
        name, table = task.task.name, task.data.table
        cosines = [one[name].values for one in scores]
        entropy = task_seed(seed, name)
        rows = evenly(table["score"].to_numpy(), count=drawn_pairs, seed=entropy)
        drawn = flat_map(table, rows, cosines, stores, names=names, seed=entropy)
        bands = by_grade(table["score"].to_numpy(), dict(zip(names, cosines, strict=True)))
        entry = {"task": name, "pairs": len(table), "bands": bands}
        entries.append(entry | {"map": drawn if len(rows) else None})
    return entries


def by_grade(grades: Floats, cosines: Mapping[str, Floats]) -> list[dict[str, Any]]:
    """Return how the cosines of pairs with like grades are spread.

    Args:
        grades: ``(pairs,)``, 0 to 5.
        cosines: ``(pairs,)`` for each encoder, by its name.

    Returns:
        A dictionary for each band with enough pairs, the least grades first: ``low`` and ``high``
        (the band's edges; the upper one belongs to the next band, but for 5), ``pairs``, and for
        each encoder the quantiles ``p10`` to ``p90`` of its cosines.
    """
    bands = _band(grades)
    return [
        {"low": band, "high": band + 1, "pairs": int(inside.sum())}
        | {name: _spread(values[inside]) for name, values in cosines.items()}
        for band in range(BANDS)
        for inside in (bands == band,)
        if inside.sum() >= LEAST_PAIRS
    ]


def evenly(grades: Floats, *, count: int, seed: Sequence[int]) -> Rows:
    """Return the numbers of ``count`` pairs drawn by turns from every band, in ascending order."""
    shuffled = np.random.default_rng(seed).permutation(len(grades))
    bands = _band(grades)[shuffled]
    turns = np.zeros(len(bands), dtype=np.int64)
    for band in range(BANDS):
        turns[bands == band] = np.arange((bands == band).sum())
    chosen: Rows = np.sort(shuffled[np.lexsort((bands, turns))[:count]])
    return chosen


def flat_map(
    table: pl.DataFrame,
    rows: Rows,
    cosines: Sequence[Floats],
    stores: Sequence[VectorStore],
    *,
    names: Sequence[str],
    seed: Sequence[int],
) -> dict[str, Any]:
    """Place the pairs ``rows`` on the plane in which the first encoder's vectors differ most.

    The others' vectors fall on the same plane when they have as many numbers, so that what moved
    between two maps has moved; else each gets a plane of its own, turned to lie like the first.

    Returns:
        For each encoder its ``share`` (how much of the variance of the task's vectors the plane
        holds, 0 to 1) and whether the plane is its ``own``; and ``pairs``: ``item`` (from 1),
        ``texts``, ``grade``, and for each encoder ``cosine`` and ``ends`` (x and y of the first
        sentence, x and y of the second).
    """
    if not len(rows):
        return {}
    sides = [table[rows.tolist()][name].to_list() for name in ("sentence1", "sentence2")]
    placed = _placed(stores, _some_sentences(table, seed=seed), [*sides[0], *sides[1]])
    ends = [np.concatenate(np.split(positions, 2), axis=1) for positions, _, _ in placed]
    pairs = [
        {
            "item": int(row) + 1,
            "texts": [_cut(side[place]) for side in sides],
            "grade": float(table["score"][int(row)]),
        }
        | {
            name: {"cosine": _rounded(values[row]), "ends": [_rounded(n) for n in corners[place]]}
            for name, values, corners in zip(names, cosines, ends, strict=True)
        }
        for place, row in enumerate(rows)
    ]
    planes = {
        name: {"share": _rounded(share), "own": own}
        for name, (_, share, own) in zip(names, placed, strict=True)
    }
    return {**planes, "pairs": pairs}


def curves(entries: Sequence[Mapping[str, Any]], *, names: Sequence[str] = BOTH) -> pl.DataFrame:
    """Return the bands of :func:`space` as a table for `dvc plots`, a row a task and band.

    Columns: ``task``, ``grade`` (the band's middle), ``pairs``, and for each encoder its median
    cosine under its name, its quartiles under ``NAME_low`` and ``NAME_high``.
    """
    text = {"task": pl.String, "grade": pl.Float64, "pairs": pl.Int64}
    numbers = {f"{name}{end}": pl.Float64 for name in names for end in ("", "_low", "_high")}
    rows = [
        [entry["task"], (band["low"] + band["high"]) / 2, band["pairs"]]
        + [band[name][share] for name in names for share in ("p50", "p25", "p75")]
        for entry in entries
        for band in entry["bands"]
    ]
    return pl.DataFrame(rows, schema={**text, **numbers}, orient="row")


def _band(grades: Floats) -> Rows:
    return np.minimum(grades.astype(np.int64), BANDS - 1)


def _spread(values: Floats) -> dict[str, float]:
    found = np.quantile(values, list(QUANTILES.values()))
    return {name: _rounded(value) for name, value in zip(QUANTILES, found, strict=True)}


def _some_sentences(table: pl.DataFrame, *, seed: Sequence[int]) -> list[str]:
    distinct = list(dict.fromkeys([*table["sentence1"], *table["sentence2"]]))
    if len(distinct) <= MOST_FITTED:
        return distinct
    chosen = np.random.default_rng(seed).permutation(len(distinct))[:MOST_FITTED]
    return [distinct[place] for place in chosen]


def _placed(
    stores: Sequence[VectorStore], fitted: Sequence[str], drawn: Sequence[str]
) -> list[tuple[Floats, float, bool]]:
    """Return for each encoder ``(drawn, 2)``, the share of variance and whether it has own axes."""
    first = stores[0].vectors(fitted)
    plane = _plane(first)
    positions = plane.transform(stores[0].vectors(drawn))
    placed = [(positions, _share(plane, first), False)]
    for store in stores[1:]:
        vectors, there = store.vectors(fitted), store.vectors(drawn)
        if vectors.shape[1] == first.shape[1]:
            placed.append((plane.transform(there), _share(plane, vectors), False))
        else:
            own = _plane(vectors)
            turn, _ = orthogonal_procrustes(own.transform(there), positions)
            placed.append((own.transform(there) @ turn, _share(own, vectors), True))
    return placed


def _plane(vectors: Vectors) -> PCA:
    # Exact, and the same each time: the eigenvectors of a matrix as wide as a vector is long.
    return PCA(2, svd_solver="covariance_eigh").fit(vectors.astype(np.float64))


def _share(plane: PCA, vectors: Vectors) -> float:
    return float(plane.transform(vectors).var(axis=0).sum() / vectors.var(axis=0).sum())


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]}\N{HORIZONTAL ELLIPSIS}"


def _rounded(value: float) -> float:
    return round(float(value), 4) + 0.0  # + 0.0 turns -0.0 into 0.0
