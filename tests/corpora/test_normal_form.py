"""The normal form keeps what a reader sees, and gives equal texts equal ids."""

import hashlib
import unicodedata

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.corpora.normal_form import normalise, sentence_id

TROUBLE = (
    "e\u0301\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u202e\t\n\r\x0b\x1c\x85\u00a0\u2028\u3000"
    "\x00\x7f \u0915\u094d\u0937\u06cc\u0645\u064e\u0627\u0653\U0001f469\U0001f3fd\U0001f680\u2764"
    "\ufe0f\U0001f3f4\U000e0067\U000e007f\u212b\u1100\u1161\u2000\u0344"
)
# Unassigned characters may gain compositions in a later Unicode than this Python knows.
assigned = st.characters(exclude_categories=["Cs", "Cn"])
sentences = st.lists(
    st.text(assigned, max_size=12) | st.text(st.sampled_from(TROUBLE), max_size=12), max_size=8
)


def one(sentence: str) -> str:
    """Normalise a single sentence."""
    return str(normalise(pl.Series([sentence]))[0])


@given(sentences)
def test_normalising_twice_changes_nothing_more(texts: list[str]) -> None:
    once = normalise(pl.Series(texts, dtype=pl.String))
    assert normalise(once).to_list() == once.to_list()


@given(sentences)
def test_canonically_equal_spellings_have_one_normal_form(texts: list[str]) -> None:
    spellings = ([unicodedata.normalize(form, text) for text in texts] for form in ("NFC", "NFD"))
    composed, decomposed = (normalise(pl.Series(each, dtype=pl.String)) for each in spellings)
    assert composed.to_list() == decomposed.to_list()


@given(sentences)
def test_the_result_is_composed_and_single_spaced(texts: list[str]) -> None:
    for text in normalise(pl.Series(texts, dtype=pl.String)):
        assert unicodedata.is_normalized("NFC", text)
        assert text == " ".join(text.split())
        assert not any(unicodedata.category(character) == "Cc" for character in text)


@given(sentences)
def test_a_sentence_is_normalised_alike_in_any_company(texts: list[str]) -> None:
    together = normalise(pl.Series(texts, dtype=pl.String)).to_list()
    assert together == [one(text) for text in texts]


def test_the_caller_keeps_the_raw_sentences() -> None:
    raw = pl.Series(["a  b", "c"])
    normalise(raw)
    assert raw.to_list() == ["a  b", "c"]


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("  two\t words \r\n", "two words"),
        ("no\u00a0break,\u3000wide,\u2028line\x1csep", "no break, wide, line sep"),
        ("cafe\u0301", "caf\u00e9"),
        ("caf\u200be\u200b\u0301", "caf\u00e9"),
        ("bell\x07 and nul\x00", "bell and nul"),
        ("\ufeffmark, soft\u00adhyphen, word\u2060joiner", "mark, softhyphen, wordjoiner"),
        ("left\u202eright\u2066x\u2069", "leftrightx"),
        ("hidden\U000e0068\U000e0069", "hidden"),
        ("\ufb01ne \u2460", "\ufb01ne \u2460"),
        (' She said "5 < 6 & 7".', 'She said "5 < 6 & 7".'),
        ("\u200b \u00ad\t", ""),
    ],
)
def test_what_a_reader_cannot_see_goes_and_all_else_stays(written: str, normal: str) -> None:
    assert one(written) == normal


@pytest.mark.parametrize(
    "sentence",
    [
        pytest.param("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", id="Persian verb prefix"),
        pytest.param("\u0645\u06cc\u064e\u200c\u062e", id="Persian with a vowel sign"),
        pytest.param("\u0915\u094d\u200d\u0937", id="Devanagari half form"),
        pytest.param("\u0915\u094d\u200c\u0937", id="Devanagari explicit virama"),
        pytest.param("\u0dc1\u0dca\u200d\u0dbb\u0dd3", id="Sinhala conjunct"),
        pytest.param("\u0d28\u0d4d\u200d", id="Malayalam chillu at the end of a word"),
        pytest.param("\U0001f469\u200d\U0001f680", id="woman astronaut"),
        pytest.param("\U0001f469\U0001f3fd\u200d\U0001f680", id="astronaut with a skin tone"),
        pytest.param("\U0001f468\u200d\U0001f469\u200d\U0001f467", id="family"),
        pytest.param("\u2764\ufe0f\u200d\U0001f525", id="heart on fire"),
        pytest.param("\U0001f3f4\U000e0067\U000e0062\U000e007f", id="flag of a region"),
    ],
)
def test_joiners_stay_where_they_change_what_a_reader_sees(sentence: str) -> None:
    assert one(sentence) == sentence


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("Auf\u200clage", "Auflage"),
        ("a\u200db", "ab"),
        ("\U0001f680\u200d", "\U0001f680"),
        ("\U0001f680\u200dx", "\U0001f680x"),
        ("\u0645\u200c\u200c\u0645", "\u0645\u200c\u0645"),
    ],
)
def test_joiners_go_where_they_change_nothing(written: str, normal: str) -> None:
    assert one(written) == normal


@given(st.text())
def test_an_id_is_the_beginning_of_the_sha256_of_the_text(text: str) -> None:
    assert sentence_id(text) == hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
