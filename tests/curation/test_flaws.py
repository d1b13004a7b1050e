import polars as pl
import pytest

from stages.curation.flaws import flaw_expression
from stages.tables import SCORED
from tests.curation.tables_at_hand import row

PREMISE = "Ada repairs 0 bicycles a week."


def flaw(**changes: object) -> str | None:
    table = pl.DataFrame([row(**changes)], schema=SCORED)
    found: str | None = table.select(flaw_expression()).item()
    return found


def test_a_good_triplet_has_no_flaw() -> None:
    assert flaw() is None


@pytest.mark.parametrize("text", ["", "  ", None])
@pytest.mark.parametrize("column", ["entailment", "contradiction"])
def test_a_blank_answer_is_empty(column: str, text: str | None) -> None:
    assert flaw(**{column: text}) == "empty"


@pytest.mark.parametrize("column", ["entailment_finished", "contradiction_finished"])
def test_an_answer_that_ran_into_the_token_limit_is_unfinished(column: str) -> None:
    assert flaw(**{column: False}) == "unfinished"


@pytest.mark.parametrize(
    "text",
    [
        "Same meaning: the shop is shut.",
        "The shop is shut.<|im_end|>",
        "The shop is shut. Sentence: The shop is open.",
        "Sure, here is a paraphrase: the shop is shut.",
        "Here's a rewritten version of it.",
        "The sentence means that the shop is shut.",
        "Note: the meaning did not change.",
        "Output: The shop is shut.",
        "(a) The shop is shut.",
        "b) The shop is shut.",
        "The shop\nis shut.",
        "[INST] The shop is shut.",
    ],
)
def test_what_is_left_of_prompts_and_chats_is_found(text: str) -> None:
    assert flaw(entailment=text) == "prompt_leftover"
    assert flaw(contradiction=text) == "prompt_leftover"


@pytest.mark.parametrize(
    "text",
    [
        "Here is the key to the shed.",
        "The sentence was five years in prison.",
        "She will note the time: it was late.",
        "Sure enough, the shop was shut.",
        "The judge read the sentence aloud.",
        "Of course he paid; the meaning was clear.",
        "It opens at 9:30 (a Monday).",
        "His answer surprised everyone.",
        "x < y and y > z hold.",
    ],
)
def test_honest_sentences_pass(text: str) -> None:
    assert flaw(entailment=text) is None


@pytest.mark.parametrize(
    "copy", [PREMISE, PREMISE.upper(), "  ada repairs 0 bicycles, a week", f"'{PREMISE}'!"]
)
def test_a_copy_of_the_premise_is_found_through_case_and_punctuation(copy: str) -> None:
    assert flaw(entailment=copy) == "copies_premise"
    assert flaw(contradiction=copy) == "copies_premise"


def test_a_contradiction_that_repeats_the_entailment_is_found() -> None:
    assert (
        flaw(entailment="It is late.", contradiction="it is late")
        == "contradiction_repeats_entailment"
    )


def test_the_first_flaw_in_the_order_of_the_reasons_is_given() -> None:
    assert flaw(entailment="", entailment_finished=False) == "empty"
    assert flaw(entailment=PREMISE, contradiction_finished=False) == "unfinished"
