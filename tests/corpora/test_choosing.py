"""A condition in SQL chooses rows of any kind of sentence file, or says what is wrong with it."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.corpora.reading import sentence_batches
from stages.errors import PipelineError
from stages.tables.conditions import Condition
from tests.corpora.table_files import write_as

ROWS = pl.DataFrame(
    {
        "source": ["news", "wiki", "news", "talk", None],
        "year": [1999, 2004, None, 2020, 2001],
        "text": ["Rain fell.", "Rain.", "", "It is said that rain fell.", "Snow."],
    }
)


def asked(condition: str) -> Condition:
    return Condition(condition, setting="prepare.where", example="year > 2000")


def chosen(path: Path, condition: str, *, column: str | None = "text") -> list[str]:
    parts = sentence_batches(path, column=column, where=asked(condition))
    return pl.concat(list(parts)).filter("chosen")["sentence"].to_list()


@pytest.fixture(params=["csv", "tsv", "jsonl", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return write_as(tmp_path / f"corpus.{request.param}", ROWS)


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("source IN ('news', 'talk')", ["Rain fell.", "", "It is said that rain fell."]),
        ("source = 'news' AND text <> ''", ["Rain fell."]),
        ("length(text) BETWEEN 5 AND 10", ["Rain fell.", "Rain.", "Snow."]),
        ("text LIKE '%rain%' OR source = 'wiki'", ["Rain.", "It is said that rain fell."]),
        ("1 = 1", ROWS["text"].to_list()),
        ("1 = 2", []),
    ],
)
def test_it_reads_as_sql_does(table: Path, condition: str, wanted: list[str]) -> None:
    assert chosen(table, condition) == wanted


def test_numbers_are_numbers_where_the_file_knows_them(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "corpus.parquet")
    ROWS.fill_null("").fill_null(0).write_csv(tmp_path / "corpus.csv")
    wanted = ["Rain.", "It is said that rain fell.", "Snow."]
    assert chosen(tmp_path / "corpus.parquet", "year > 2000") == wanted
    assert chosen(tmp_path / "corpus.csv", "CAST(year AS INT) > 2000") == wanted


def test_a_row_whose_condition_is_unknown_is_left_out(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "corpus.parquet")
    assert chosen(tmp_path / "corpus.parquet", "year <> 1999") == [
        "Rain.",
        "It is said that rain fell.",
        "Snow.",
    ]


def test_the_lines_of_a_text_file_are_the_column_sentence(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("Rain.\nIt is said that rain fell.\n")
    assert chosen(path, "length(sentence) < 10", column=None) == ["Rain."]


@given(st.lists(st.one_of(st.none(), st.integers(-5, 5)), max_size=20))
def test_each_row_is_judged_by_itself(numbers: list[int | None]) -> None:
    rows = pl.DataFrame({"n": pl.Series(numbers, dtype=pl.Int64)})
    found = asked("n * n > 4 OR n = 1").holds(rows).to_list()
    assert found == [n is not None and (n * n > 4 or n == 1) for n in numbers]


@pytest.mark.parametrize(
    ("condition", "cause"),
    [
        (
            "sourc = 'news'",
            r"no column 'sourc'; it has: source, year, text\.\s+remedy: did you mean 'source'",
        ),
        ("source = ", r"prepare\.where = 'source = ' is no condition in SQL: "),
        ("source; DROP TABLE", r"is no condition in SQL: "),
        ("source", r"prepare\.where = 'source' is String, neither true nor false"),
        ("CAST(source AS INT) > 2", r"cannot be computed: conversion from `str` to `i32` failed"),
    ],
)
def test_a_faulty_condition_gets_one_clear_line(tmp_path: Path, condition: str, cause: str) -> None:
    ROWS.write_parquet(tmp_path / "corpus.parquet")
    with pytest.raises(PipelineError, match=cause):
        chosen(tmp_path / "corpus.parquet", condition)


def test_of_json_lines_some_may_leave_a_field_out_but_not_all(tmp_path: Path) -> None:
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"text": "Rain."}\n{"text": "Snow.", "year": 2001}\n')
    assert chosen(path, "year > 2000") == ["Snow."]
    with pytest.raises(
        PipelineError, match=r"no column 'yaer'; it has: text, year\.\s+remedy: did you"
    ):
        chosen(path, "yaer > 2000")


def test_a_text_file_has_no_other_column(tmp_path: Path) -> None:
    path = tmp_path / "corpus.txt"
    path.write_text("Rain.\n")
    with pytest.raises(PipelineError, match=r"no column 'source'; it has: sentence"):
        chosen(path, "source = 'news'", column=None)
