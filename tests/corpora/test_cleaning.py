"""Cleaning keeps the distinct, usable sentences in order and accounts for every other row."""

import random
from dataclasses import dataclass

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from stages.corpora.cleaning import Cleaner, Counts
from stages.corpora.normal_form import normalise, sentence_id
from stages.tables.schemas import SENTENCES

texts = st.lists(st.text(alphabet="ab e\u0301\u00e9\u200b\t", max_size=5), max_size=30)


@dataclass(frozen=True)
class Cleaned:
    sentences: pl.DataFrame
    counts: Counts


def cleaned(
    raw: list[str],
    *,
    max_characters: int = 400,
    limit: int | None = None,
    part: int = 3,
    chosen: list[bool] | None = None,
) -> Cleaned:
    """Clean a list of strings, ``part`` at a time."""
    cleaner = Cleaner(max_characters=max_characters, limit=limit)
    rows = pl.Series(raw, dtype=pl.String)
    asked = None if chosen is None else pl.Series(chosen, dtype=pl.Boolean)
    parts = [
        cleaner.clean(rows.slice(start, part), None if asked is None else asked.slice(start, part))
        for start in range(0, max(1, len(raw)), part)
    ]
    return Cleaned(pl.concat(parts), cleaner.counts)


def test_the_first_of_equal_sentences_stays_with_its_line() -> None:
    table = cleaned(["", "One.", " Two. ", "One.", "Two.", "Three."]).sentences
    assert table.schema == pl.Schema(SENTENCES)
    assert table.select("line", "sentence").rows() == [(2, "One."), (3, "Two."), (6, "Three.")]


def test_case_and_punctuation_make_sentences_distinct() -> None:
    assert cleaned(["Stop", "stop", "Stop!"]).counts.duplicates == 0


def test_every_row_is_accounted_for() -> None:
    raw = ["", " \u200b", "One.", "One. ", "far too long", "Two.", "Three."]
    counts = cleaned(raw, max_characters=6, limit=2).counts
    assert counts == Counts(read=7, empty=2, overlong=1, duplicates=1, beyond_limit=1, kept=2)


def test_a_row_that_nobody_asked_for_is_counted_and_hides_no_later_one() -> None:
    raw = ["One.", "", "One.", "Two.", "One."]
    found = cleaned(raw, chosen=[False, False, True, True, True])
    assert found.sentences.select("line", "sentence").rows() == [(3, "One."), (4, "Two.")]
    assert found.counts == Counts(read=5, not_chosen=2, duplicates=1, kept=2)


def test_length_is_that_of_the_normal_form_in_characters() -> None:
    table = cleaned(["  e\u0301e\u0301  e\u0301  ", "abcde"], max_characters=4).sentences
    assert table["sentence"].to_list() == ["\u00e9\u00e9 \u00e9"]


def test_the_limit_counts_distinct_sentences() -> None:
    table = cleaned(["a", "a", "", "b", "c"], limit=2).sentences
    assert table["sentence"].to_list() == ["a", "b"]


def test_a_limit_beyond_what_there_is_keeps_all() -> None:
    assert cleaned(["a", "b"], limit=99).sentences.equals(cleaned(["a", "b"]).sentences)


def test_no_rows_give_an_empty_table_of_the_same_schema() -> None:
    assert cleaned([]).sentences.schema == pl.Schema(SENTENCES)


@given(texts, st.integers(0, 99))
def test_ids_do_not_depend_on_the_order_of_the_file(raw: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(raw, k=len(raw))
    tables = (cleaned(each).sentences for each in (raw, shuffled))
    one, other = (dict(table.select("sentence", "id").iter_rows()) for table in tables)
    assert one == other


@given(texts)
def test_ids_are_distinct_and_follow_from_the_sentence_alone(raw: list[str]) -> None:
    table = cleaned(raw).sentences
    assert table["id"].is_unique().all()
    assert table["id"].to_list() == [sentence_id(text) for text in table["sentence"]]


@given(texts)
def test_lines_rise_and_point_to_where_the_sentence_was(raw: list[str]) -> None:
    for line, sentence in cleaned(raw).sentences.select("line", "sentence").iter_rows():
        assert cleaned([raw[line - 1]]).sentences["sentence"].to_list() == [sentence]
    assert cleaned(raw).sentences["line"].is_sorted()


@given(texts)
def test_cleaning_what_is_clean_keeps_all_of_it(raw: list[str]) -> None:
    once = cleaned(raw).sentences
    again = cleaned(once["sentence"].to_list())
    assert again.sentences.drop("line").equals(once.drop("line"))
    assert again.counts.kept == again.counts.read


@given(texts, st.integers(1, 40), st.none() | st.integers(1, 9))
def test_parts_of_any_length_give_what_the_whole_gives(
    raw: list[str], part: int, limit: int | None
) -> None:
    """Beside what polars finds distinct in the whole table."""
    whole = cleaned(raw, max_characters=3, limit=limit, part=1000)
    pieces = cleaned(raw, max_characters=3, limit=limit, part=part)
    assert pieces.sentences.equals(whole.sentences)
    assert pieces.counts == whole.counts
    text = normalise(pl.Series("sentence", raw, dtype=pl.String))
    rows = text.to_frame().with_row_index("line", offset=1)
    usable = rows.filter(pl.col("sentence").str.len_chars().is_between(1, 3))
    distinct = usable.unique("sentence", keep="first", maintain_order=True)
    kept = distinct if limit is None else distinct.head(limit)
    assert (
        whole.sentences.select("sentence", "line").rows() == kept.select("sentence", "line").rows()
    )
    assert whole.counts.duplicates == len(usable) - len(distinct)
