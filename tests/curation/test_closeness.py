import polars as pl
import pytest

from stages.curation.closeness import Closeness, word_overlap
from stages.tables.schemas import TRIPLETS
from tests.curation.tables_at_hand import row


def table(*answers: tuple[str, str]) -> pl.DataFrame:
    rows = [row(i, premise=p, contradiction=c) for i, (p, c) in enumerate(answers)]
    return pl.DataFrame(rows, schema_overrides=TRIPLETS)


def closeness(*parts: pl.DataFrame) -> dict[str, dict[str, float]]:
    counted = Closeness()
    for part in parts:
        counted.add(part)
    return counted.figures()


@pytest.mark.parametrize(
    ("premise", "answer", "overlap"),
    [
        ("He sold the red boat.", "he sold THE red boat", 1.0),
        ("He sold the red boat.", "He sold the green boat!", 4 / 6),
        ("He sold the red boat.", "Nobody came.", 0.0),
        ("No, no, no!", "No.", 1.0),
        ("He sold it.", "", 0.0),
    ],
)
def test_words_are_compared_without_case_and_punctuation_each_once(
    premise: str, answer: str, overlap: float
) -> None:
    found = table((premise, answer)).select(word_overlap("contradiction")).item()
    assert found == pytest.approx(overlap)


def test_near_copies_are_counted_by_hypothesis() -> None:
    rows = table(("a b c d e f g h i j", "a b c d e f g h i k"), ("He left.", "She came."))
    found = closeness(rows)
    assert found["contradiction"] == {"word_overlap": round(9 / 11 / 2, 4), "near_copies": 0.5}
    assert found["entailment"]["near_copies"] == 0


def test_nothing_written_is_no_copy() -> None:
    none = {"word_overlap": 0.0, "near_copies": 0.0}
    assert closeness(pl.DataFrame(schema=TRIPLETS)) == {"entailment": none, "contradiction": none}
