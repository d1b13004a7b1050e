"""What is counted some rows at a time is what the whole table says."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.curation.closeness import word_overlap
from stages.curation.flaws import flaw_expression
from stages.curation.tallies import ScoredTally, WrittenTally
from stages.tables.columns import WRITTEN
from stages.tables.schemas import SCORED, TRIPLETS

ROWS = 500
WORDS = ("ice", "tram", "bread", "salt", "horse", "late", "soon", "full", "not", "never", "was")


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    """Triplets with flaws, unfinished answers, near copies, and scores that are missing."""
    dice = np.random.default_rng(7)

    def text() -> str:
        return " ".join(dice.choice(WORDS, size=dice.integers(0, 9)))

    premises = [text() for _ in range(ROWS)]
    scores = {
        f"{name}_score": [None if dice.random() < 0.2 else dice.random() * 5 for _ in premises]
        for name in WRITTEN
    }
    columns: dict[str, Any] = {
        "id": [f"{n:016x}" for n in range(ROWS)],
        "sample": [0] * ROWS,
        "premise": premises,
        "entailment": [f"{p}." if dice.random() < 0.3 else text() for p in premises],
        "contradiction": [text() for _ in premises],
        **{f"{name}_instruction": ["i"] * ROWS for name in WRITTEN},
        **{f"{name}_finished": list(dice.random(ROWS) < 0.8) for name in WRITTEN},
        **scores,
        **{f"{name}_answer": [""] * ROWS for name in WRITTEN},
        **{f"{name}_scores": [[score] for score in scores[f"{name}_score"]] for name in WRITTEN},
    }
    return pl.DataFrame(columns, schema=SCORED)


@pytest.mark.parametrize("at_once", [pytest.param(1, marks=pytest.mark.slow), 7, 128, ROWS])
def test_what_was_written(table: pl.DataFrame, at_once: int) -> None:
    tally = WrittenTally()
    for part in table.select(TRIPLETS.keys()).iter_slices(at_once):
        tally.add(part)
    ended = table.filter("entailment_finished", "contradiction_finished").height
    assert tally.counts() == {"rows": ROWS, "finished": ended, "unfinished": ROWS - ended}
    for name in WRITTEN:
        overlap = table.select(word_overlap(name)).to_series().to_numpy()
        assert tally.closeness()[name] == {
            "word_overlap": round(float(overlap.mean()), 4),
            "near_copies": round(float((overlap >= 0.8).mean()), 4),
        }


@pytest.mark.parametrize("at_once", [pytest.param(1, marks=pytest.mark.slow), 7, 128, ROWS])
def test_what_became_of_the_scores(table: pl.DataFrame, at_once: int) -> None:
    tally = ScoredTally()
    for part in table.iter_slices(at_once):
        tally.add(part)
    scored = table.drop_nulls(["entailment_score", "contradiction_score"]).height
    unasked = table.filter(flaw_expression().is_not_null()).height
    assert tally.counts() == {
        "rows": ROWS,
        "scored": scored,
        "not_asked": unasked,
        "unreadable": ROWS - scored - unasked,
    }
    for name in WRITTEN:
        scores = table[f"{name}_score"].drop_nulls().to_numpy()
        assert tally.levels()[name] == {
            "mean": round(float(scores.mean()), 4),
            "alike": round(float((scores >= 4.5).mean()), 4),
        }


def test_of_nothing_there_are_no_levels() -> None:
    assert ScoredTally().levels() == {}
    assert ScoredTally().counts() == dict.fromkeys(["rows", "scored", "not_asked", "unreadable"], 0)
