import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.language_models.servers.keys import PIECE_CHARACTERS, Key, key_of_environment

KEY = "sk-very-secret-0123456789"
pieces = st.integers(0, len(KEY) - PIECE_CHARACTERS).flatmap(
    lambda start: st.integers(start + PIECE_CHARACTERS, len(KEY)).map(lambda stop: KEY[start:stop])
)


@given(st.lists(st.text(max_size=20) | pieces))
def test_no_part_of_a_key_is_shown(said: list[str]) -> None:
    shown = Key(KEY).hidden_in_error("".join(said))
    size = PIECE_CHARACTERS
    assert all(KEY[start : start + size] not in shown for start in range(len(KEY) - size + 1))


@given(st.text(alphabet="abc []"))
def test_what_holds_no_part_of_the_key_is_shown_as_it_is(said: str) -> None:
    assert Key(KEY).hidden_in_error(said) == said


def test_a_stand_in_for_a_key_is_left_in_answers() -> None:
    assert Key("test").hidden_in_answer("This is a test.") == "This is a test."
    assert Key(None).hidden_in_answer("None.") == "None."


def test_a_key_is_in_no_representation_of_it() -> None:
    assert KEY not in f"{Key(KEY)!r} {Key(KEY)}"


def test_blanks_around_a_key_are_not_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    assert key_of_environment() == Key(KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert key_of_environment() == Key(None)


@pytest.mark.parametrize("text", ["schlüssel", "two\nlines", "\x1b[31m"])
def test_what_cannot_be_a_key_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", text)
    with pytest.raises(PipelineError, match="no key has") as told:
        key_of_environment()
    assert text not in str(told.value)
