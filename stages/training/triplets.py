"""What is trained on: the kept triplets, beside them those that people labelled."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from stages.errors import PipelineError
from stages.params import TrainParams
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


def read_triplets(curated: Path, labelled: Path, params: TrainParams) -> Triplets:
    """Return what is kept in ``curated`` and, if ``params.labelled``, what stands in ``labelled``.

    Of more than ``params.limit``, so many are drawn by ``params.seed``, each as likely as another.

    Raises:
        PipelineError: When labelled ones are asked for and missing, or they do not fill a batch.
    """
    written = read_table(curated, CURATED, columns=TEXTS).select(TEXTS)
    people = _of_people(labelled, params).select(TEXTS)
    if len(written) + len(people) < params.batch_triplets:
        besides = f" and {len(people)} labelled ones" if len(people) else ""
        raise PipelineError(
            f"{curated} holds {len(written)} triplets{besides}, fewer than one batch "
            f"of {params.batch_triplets} (train.batch_triplets).",
            remedy="lower train.batch_triplets, give more sentences, or loosen curate.*.",
        )
    rows = _drawn(len(written) + len(people), params)
    table = pl.concat([written, people])
    return Triplets(table[rows], labelled=int(np.count_nonzero(rows >= len(written))))


def _of_people(path: Path, params: TrainParams) -> pl.DataFrame:
    people = read_table(path, LABELLED, columns=TEXTS)
    if params.labelled and people.is_empty():
        raise PipelineError(
            f"train.labelled = true, but {path} holds no triplet.",
            remedy="name a file of labelled triplets in prepare.labelled.",
        )
    return people if params.labelled else people.clear()


def _drawn(count: int, params: TrainParams) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the rows, of ``count``, that are trained on, in their order."""
    if params.limit is None or params.limit >= count:
        return np.arange(count)
    if params.limit < params.batch_triplets:
        raise PipelineError(
            f"train.limit = {params.limit} is less than one batch of {params.batch_triplets} "
            "(train.batch_triplets).",
            remedy="raise train.limit, or lower train.batch_triplets.",
        )
    return np.sort(np.random.default_rng(params.seed).choice(count, params.limit, replace=False))
