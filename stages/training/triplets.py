"""What is trained on: the kept triplets, beside them those that people labelled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.errors import PipelineError
from stages.tables.columns import TEXTS
from stages.tables.reading import read_table
from stages.tables.schemas import CURATED, LABELLED


@dataclass(frozen=True)
class Triplets:
    """What an encoder is trained on.

    Attributes:
        table: TEXTS, the written ones first.
        labelled: How many of them people labelled.
    """

    table: pl.DataFrame
    labelled: int


def read_triplets(
    curated: Path,
    labelled: Path | None,
    *,
    batch_triplets: int,
    limit: int | None,
    seed: int,
) -> Triplets:
    """Return what is kept in ``curated`` and what people labelled.

    Args:
        curated: CURATED.
        labelled: LABELLED; None where they are not asked for.
        batch_triplets: So many are needed at least.
        limit: Of more, so many are drawn, each as likely as another; None takes all.
        seed: Decides which.

    Raises:
        PipelineError: When labelled ones are asked for and missing, or they do not fill a batch.
    """
    written = read_table(curated, CURATED, columns=TEXTS).select(TEXTS)
    people = written.clear() if labelled is None else _of_people(labelled)
    if len(written) + len(people) < batch_triplets:
        besides = f" and {len(people)} labelled ones" if len(people) else ""
        raise PipelineError(
            f"{curated} holds {len(written)} triplets{besides}, fewer than one batch "
            f"of {batch_triplets} (train.batch_triplets).",
            remedy="lower train.batch_triplets, give more sentences, or loosen curate.*.",
        )
    if limit is not None and limit < batch_triplets:
        raise PipelineError(
            f"train.limit = {limit} is less than one batch of {batch_triplets} "
            "(train.batch_triplets).",
            remedy="raise train.limit, or lower train.batch_triplets.",
        )
    table = pl.concat([written, people])
    rows = _drawn(len(table), limit, seed)
    return Triplets(table[rows], labelled=int(np.count_nonzero(rows >= len(written))))


def _of_people(path: Path) -> pl.DataFrame:
    people = read_table(path, LABELLED, columns=TEXTS).select(TEXTS)
    if people.is_empty():
        raise PipelineError(
            f"train.labelled = true, but {path} holds no triplet.",
            remedy="name a file of labelled triplets in prepare.labelled.",
        )
    return people


def _drawn(count: int, limit: int | None, seed: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the rows, of ``count``, that are trained on, in their order."""
    if limit is None or limit >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).choice(count, limit, replace=False))
