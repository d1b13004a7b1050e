import numpy as np
import polars as pl
import pytest

from stages.language_models.demonstrating import (
    EXAMPLES,
    RowsWithExamples,
    examples_of,
    places_of,
)
from stages.tables.rows import RowsInMemory
from stages.tables.schemas import SENTENCES

TABLE = pl.DataFrame(
    {"id": list("abcd"), "sentence": ["One.", "Two.", "Three.", "Four."], "line": range(4)},
    schema=SENTENCES,
)
POOL = pl.DataFrame(
    {
        "id": list("xyz"),
        "premise": ["P0", "P1", "P2"],
        "entailment": ["E0", "E1", "E2"],
        "contradiction": ["C0", "C1", "C2"],
    }
)
FOUND = [[2, 0], [], [1], [0, 1]]


@pytest.fixture
def rows() -> RowsWithExamples:
    return RowsWithExamples(RowsInMemory(TABLE), POOL, places_of(FOUND, rows=4, most=2))


@pytest.mark.parametrize("at_once", [1, 3, 9])
def test_each_sentence_comes_with_its_examples_the_nearest_last(
    rows: RowsWithExamples, at_once: int
) -> None:
    table = pl.concat(rows.parts(at_once))
    assert table.columns == rows.columns == [*SENTENCES, EXAMPLES]
    assert table.drop(EXAMPLES).equals(TABLE)
    shown = {key: [one["premise"] for one in found] for key, found in examples_of(table).items()}
    assert shown == {"a": ["P0", "P2"], "b": [], "c": ["P1"], "d": ["P1", "P0"]}
    assert examples_of(table)["c"] == [{"premise": "P1", "entailment": "E1", "contradiction": "C1"}]


def test_sentences_alone_have_no_examples() -> None:
    assert examples_of(TABLE) == {}


def test_those_with_an_example_are_counted(rows: RowsWithExamples) -> None:
    assert rows.demonstrated == 3
    assert rows.size > RowsInMemory(TABLE).size


def test_the_digest_covers_what_is_shown_and_not_what_is_not(rows: RowsWithExamples) -> None:
    def digest(places: list[list[int]], pool: pl.DataFrame = POOL) -> str:
        chosen = places_of(places, rows=4, most=2)
        return RowsWithExamples(RowsInMemory(TABLE), pool, chosen).digest

    assert digest(FOUND) == rows.digest
    assert digest([[0, 2], *FOUND[1:]]) != rows.digest
    assert digest(FOUND, POOL.with_columns(contradiction=pl.lit("C"))) != rows.digest
    unseen = [[1], [], [1], []]
    other = POOL.with_columns(
        premise=pl.when(pl.col("id") == "z").then(pl.lit("?")).otherwise("premise")
    )
    assert digest(unseen) == digest(unseen, other)


def test_places_are_filled_up() -> None:
    assert places_of(FOUND, rows=4, most=2).tolist() == [[2, 0], [-1, -1], [1, -1], [0, 1]]
    assert places_of([], rows=0, most=2).dtype == np.int32
