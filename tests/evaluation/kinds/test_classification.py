"""Which features a classifier sees, and on which rows: MRPC's two, splits, folds."""

import numpy as np
import polars as pl
import pytest

from stages.encoders.embedding import Vectors
from stages.encoders.vector_store import VectorStore
from stages.evaluation.kinds.classification import score
from stages.evaluation.tasks.data import LabelledRows

WIDTH = 6


class Drawn(VectorStore):
    """Random vectors, of no unit length, that a sentence alone decides."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def vectors(self, sentences: list[str], *, unit: bool = True) -> Vectors:  # type: ignore[override]
        assert not unit, "SentEval takes vectors as the encoder gives them"
        self.asked += sentences
        rows = [np.random.default_rng(int(text)).normal(size=WIDTH) for text in sentences]
        return np.array(rows, dtype=np.float32)


def pairs(rows: int, first: int) -> pl.DataFrame:
    """Return pairs whose label is linear in |u - v| and u * v, and in nothing simpler."""
    left = [str(first + 2 * row) for row in range(rows)]
    right = [str(first + 2 * row + 1) for row in range(rows)]
    u, v = (Drawn().vectors(side, unit=False) for side in (left, right))
    agreement = (u * v).sum(axis=1) - np.abs(u - v).sum(axis=1)
    labels = np.where(agreement > np.median(agreement), "same", "other")
    return pl.DataFrame({"label": labels, "sentence1": left, "sentence2": right})


def test_a_pair_is_seen_as_difference_and_product() -> None:
    rows = LabelledRows({"train": pairs(400, 0), "test": pairs(400, 10_000)})
    # Neither sentence nor both side by side tell more than chance.
    assert score(rows, Drawn(), folds=3).values.mean() > 0.93


def test_the_order_of_a_pair_does_not_matter() -> None:
    train, test = pairs(300, 0), pairs(200, 10_000)
    turned = test.rename({"sentence1": "sentence2", "sentence2": "sentence1"})
    given = [
        score(LabelledRows({"train": train, "test": part}), Drawn(), folds=3).answers
        for part in (test, turned.select(test.columns))
    ]
    assert given[0] == given[1]


def sentences(rows: int, first: int) -> pl.DataFrame:
    texts = [str(first + row) for row in range(rows)]
    labels = np.where(Drawn().vectors(texts, unit=False)[:, 0] > 0, "up", "down")
    return pl.DataFrame({"label": labels, "sentence": texts})


@pytest.mark.parametrize("roles", [("sentences",), ("train", "test"), ("train", "dev", "test")])
def test_what_is_counted_is_each_row_that_is_tested(roles: tuple[str, ...]) -> None:
    tables = {role: sentences(150, 1000 * place) for place, role in enumerate(roles)}
    found = score(LabelledRows(tables), Drawn(), folds=None if "dev" in roles else 5)
    tested = tables[roles[-1]]["label"].to_list()
    assert found.values.tolist() == [
        float(given == wanted) for given, wanted in zip(found.answers, tested, strict=True)
    ]
    assert found.values.mean() > 0.9


def test_nothing_of_the_test_set_is_learned_from() -> None:
    train, test = sentences(200, 0), sentences(100, 5000)
    wrong = {"up": "down", "down": "up"}
    turned = test.with_columns(label=pl.col("label").replace_strict(wrong))
    right, inverted = (
        score(LabelledRows({"train": train, "test": part}), Drawn(), folds=5).values
        for part in (test, turned)
    )
    assert np.array_equal(right, 1 - inverted)
