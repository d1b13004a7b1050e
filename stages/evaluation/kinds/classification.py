"""Kind ``classification``: does a linear classifier find the label in the vector?"""

import numpy as np

from stages.encoders.vector_store import VectorStore
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.probing import FOLDS, Features, Labels, cross_validated, held_out
from stages.evaluation.tasks.data import LabelledRows


def score(rows: LabelledRows, store: VectorStore, *, folds: int | None) -> TaskScores:
    """Return 1 for each test row whose label is found, else 0; see stages/evaluation/probing.py.

    A pair of sentences is seen as |u - v| and u * v side by side. The answers are the labels given.
    """
    names = sorted(set(rows.first["label"]))
    parts = {role: _part(rows, role, names, store) for role in rows.tables}
    if "sentences" in parts:
        wanted = parts["sentences"][1]
        given = cross_validated(*parts["sentences"], folds=folds or FOLDS)
    else:
        vectors, wanted = parts["test"]
        given = held_out(parts["train"], vectors, dev=parts.get("dev"), folds=folds)
    return TaskScores((given == wanted).astype(float), answers=[names[label] for label in given])


def _part(
    rows: LabelledRows, role: str, names: list[str], store: VectorStore
) -> tuple[Features, Labels]:
    table = rows.tables[role]
    vectors = [store.vectors(table[column].to_list(), unit=False) for column in rows.columns]
    labels = np.searchsorted(names, table["label"].to_list())
    if len(vectors) == 1:
        return vectors[0], labels
    left, right = vectors
    return np.concatenate([np.abs(left - right), left * right], axis=1), labels
