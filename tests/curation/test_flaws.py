from typing import Any

import polars as pl
import pytest

from stages.curation.flaws import flaw_expression, leftover_expression
from stages.tables.schemas import SCORED
from tests.curation.tables_at_hand import row

PREMISE = "Ada repairs 0 bicycles a week."


def flaw(**changes: Any) -> str | None:
    table = pl.DataFrame([row(**changes)], schema=SCORED)
    found: str | None = table.select(flaw_expression()).item()
    return found


def test_a_good_triplet_has_no_flaw() -> None:
    assert flaw() is None


@pytest.mark.parametrize("text", ["", "  ", None, "...", "?!"])
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
        "The shop is shut.<|im_end",
        "The shop is shut. Rewritten: The shop is closed.",
        "The shop is shut. Opposite: it is open.",
        "Assistant: the shop is shut.",
        "Q: Is the shop shut?",
        "Opposite meaning : the shop is open.",
        "{sentence}",
        "[insert sentence here]",
        "The shop is shut. Note: the meaning was kept.",
        "The shop is shut. (Note that the tone changed.)",
        "Hint: the shop is shut.",
        "Sure! Here's a paraphrase of the sentence: the shop is shut.",
        "Sure, here is",
        "Here is a sentence that means the same.",
        "The original statement implies that the shop is shut.",
        "This sentence is not part of the story.",
        "The sentence above is an idiom.",
        "The opposite meaning is that it is open.",
        "A sentence with the same meaning is that the shop is shut.",
        "The shop is shut. Write a sentence that means the opposite.",
        "Please rewrite the sentence in other words.",
        "As an AI language model, I have no opinion.",
        "I'm sorry, but I cannot paraphrase this sentence.",
        "I can not generate a paraphrased sentence because the input is ambiguous.",
        "1. The shop is shut.",
        "The shop is shut.\N{LINE SEPARATOR}It is late.",
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
        "Here is an example of Gothic architecture.",
        "Here is the new version of the program.",
        "Of course I can help you.",
        "Certainly I will come.",
        "Sure, I can swim.",
        "The statement says that the firm lost money.",
        "The two words have the same meaning: glad.",
        "Note that the shop is shut.",
        "I'm sorry, but I cannot come.",
        "I cannot generate enough power for the town.",
        "Please revise your plan before Friday.",
        "Write to your aunt today!",
        "He left a note: back at six.",
        "Dr. No has an answer: never.",
        "The clause 3 (b) protects the tenant.",
        "A. Lincoln was born in 1809.",
        "It fell by 3.5 % (see table 2).",
        "  The shop is shut.\n",
    ],
)
def test_honest_sentences_pass(text: str) -> None:
    assert flaw(entailment=text) is None


@pytest.mark.parametrize(
    ("premise", "answer"),
    [
        ("Note: the shop shuts at six.", "Note: the store closes at six."),
        ("Question: who pays?", "Question: who will foot the bill?"),
        ("2) The pact is dead.", "1) The pact lives."),
        ("He got a sentence of ten years.", "The sentence means ten years in prison."),
        ("Shorten the second sentence.", "Rewrite the second sentence so that it is brief."),
    ],
)
def test_a_premise_that_speaks_that_way_excuses_the_answer(premise: str, answer: str) -> None:
    assert flaw(premise=premise, entailment=answer) is None
    assert flaw(premise="Ada is at home.", entailment=answer) == "prompt_leftover"


def test_no_sentence_of_the_starter_corpus_looks_like_a_leftover(premises: list[str]) -> None:
    answers = {"entailment": premises, "contradiction": premises}
    table = pl.DataFrame(answers).with_columns(premise=pl.lit("Words of something else."))
    assert table.filter(leftover_expression())["entailment"].to_list() == []


@pytest.mark.parametrize(
    ("premise", "answer"),
    [
        ("It is 5 degrees.", "It is -5 degrees."),
        ("It costs $5.", "It costs \N{EURO SIGN}5."),
        ("It is 1.5 m long.", "It is 15 m long."),
        ("It grew by 5.", "It grew by 5%."),
    ],
)
def test_signs_that_change_what_is_said_do_not_make_a_copy(premise: str, answer: str) -> None:
    assert flaw(premise=premise, contradiction=answer) is None


def test_letters_with_several_small_forms_are_the_same_in_a_copy() -> None:
    assert flaw(premise="GROSSE STRASSE", entailment="große Straße") == "copies_premise"


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
