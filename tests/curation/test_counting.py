"""Counting every row some at a time finds what Great Expectations finds in the whole tables."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.errors import QualityError
from stages.tables import reading
from stages.tables.json_files import read_json
from stages.tables.writing import write_table
from tests.curation.tables_at_hand import curated, rejected, row
from tests.stages.test_validate import DROPPED_FAULTS, KEPT_FAULTS, planted, run

pytestmark = pytest.mark.slow

TEXT = row(60)["entailment"]
MORE_FAULTS: list[dict[str, Any]] = [
    {"entailment": TEXT},
    {"contradiction": TEXT},
    {"entailment": TEXT, "contradiction": TEXT},
    {"entailment": "It rains.", "contradiction": "It rains."},
    {"entailment": None, "contradiction": None},
    {"entailment": None, "entailment_score": None, "contradiction_score": float("inf")},
    {"id": row(70)["id"]},
    {"id": None, "sample": None, "premise": None},
    {"contradiction": "Ada чинит велосипеды."},
]


def quality(folder: Path, kept: pl.DataFrame, dropped: pl.DataFrame, rows: int) -> dict[str, Any]:
    folder.mkdir()
    try:
        return run(folder, kept, dropped, sample_rows=rows)
    except QualityError:
        return dict(read_json(folder / "quality.json"))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is found where a table is a sample of 7 of its rows, read 16 at a time, and in all."""
    folder = tmp_path_factory.mktemp("both")
    faults = [*KEPT_FAULTS.values(), *MORE_FAULTS, *KEPT_FAULTS.values()]
    kept = planted(curated(90), dict(enumerate(faults, start=1)))
    dropped = planted(rejected(40), dict(enumerate([*DROPPED_FAULTS.values()] * 2, start=1)))
    write_table(kept, folder / "unused.parquet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BATCH_ROWS", 16)
        counted = quality(folder / "counted", kept, dropped, rows=7)
    return counted, quality(folder / "seen", kept, dropped, rows=1000)


def test_every_expectation_ends_as_on_the_whole_tables(
    both: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    counted, seen = both
    assert len(seen["expectations"]) == 30
    for mine, theirs in zip(counted["expectations"], seen["expectations"], strict=True):
        assert mine == theirs
    assert {**counted, "shown": None} == {**seen, "shown": None}


def test_it_is_said_how_many_rows_are_shown(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    counted, seen = both
    assert seen["shown"] == {"curated": 90, "rejected": 40}
    assert counted["checked"] == {"curated": 90, "rejected": 40}
    assert 7 <= counted["shown"]["curated"] < 90


def test_data_docs_say_that_they_show_a_sample(tmp_path: Path) -> None:
    run(tmp_path, curated(60), rejected(20), sample_rows=7)
    (page,) = (tmp_path / "docs/expectations").glob("curated.html")
    told = page.read_text(encoding="utf-8")
    assert "of all 60 rows, 0 break it: this page shows a sample" in told


def test_a_malformed_table_is_not_counted(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r'rejected\.schema(.|\n)*"column": "reason"'):
        run(tmp_path, curated(60), rejected(20).drop("reason"), sample_rows=7)
