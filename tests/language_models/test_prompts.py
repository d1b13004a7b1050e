from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.language_models.prompts import (
    LITERAL,
    Example,
    Shown,
    load_prompts,
    noisy_prompt,
    prompt_set_names,
)
from stages.language_models.protocol import Prompt

GOOD = """
version: 1
entailment:
  - {name: same, prefix: "Demo.\\n", suffix: "Say {sentence} again:"}
  - {name: other, prefix: "", suffix: "{sentence} means"}
contradiction:
  - {name: deny, prefix: "", suffix: "Deny {sentence}:"}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_every_prompt_set_that_comes_along_loads() -> None:
    for name in prompt_set_names():
        assert load_prompts(name).entailment


def test_a_user_brings_her_own_file(file: Path) -> None:
    instruction = load_prompts(str(file)).entailment[0]
    assert instruction.prompt("it rains") == Prompt("Demo.\n", "Say it rains again:")


def test_a_sentence_with_braces_is_taken_as_it_is(file: Path) -> None:
    instruction = load_prompts(str(file)).contradiction[0]
    assert instruction.prompt("{0} {sentence}").suffix == "Deny {0} {sentence}:"


def test_the_instruction_drawn_depends_on_sentence_and_seed_only(file: Path) -> None:
    prompts = load_prompts(str(file))
    drawn = [prompts.draw("entailment", seed=1, key=f"id{i}").name for i in range(200)]
    assert drawn == [prompts.draw("entailment", seed=1, key=f"id{i}").name for i in range(200)]
    assert 60 < drawn.count("same") < 140
    assert drawn != [prompts.draw("entailment", seed=2, key=f"id{i}").name for i in range(200)]


def test_changing_the_file_changes_the_digest(file: Path) -> None:
    before = load_prompts(str(file)).digest
    file.write_text(GOOD + "# a remark\n", encoding="utf-8")
    assert load_prompts(str(file)).digest != before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("contradiction:", "contradictions:"), "contradiction must be a list"),
        (("Deny {sentence}:", "Deny it:"), r"contradiction\[0\]\.suffix must hold \{sentence\}"),
        (("name: deny", "nam: deny"), r"contradiction\[0\] must have the texts"),
    ],
)
def test_a_faulty_file_names_the_place(file: Path, change: tuple[str, str], message: str) -> None:
    file.write_text(GOOD.replace(*change), encoding="utf-8")
    with pytest.raises(PipelineError, match=message):
        load_prompts(str(file))


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(PipelineError, match="few_shot"):
        load_prompts("few_shots")


@pytest.mark.parametrize("name", prompt_set_names())
def test_every_noisy_instruction_asks_about_the_sentence_and_not_as_wanted(name: str) -> None:
    prompts = load_prompts(name)
    wanted, opposite = prompts.entailment[0], prompts.contradiction[0]
    shown = {"wanted": Shown(wanted), "opposite": Shown(opposite)}
    told = {
        kind: noisy_prompt(kind, "Tea is hot.", **shown)
        for kind in ("opposite", "shuffled", "empty", "literal")
    }
    assert told["opposite"] == opposite.prompt("Tea is hot.")
    assert told["literal"].text == LITERAL + wanted.prompt("Tea is hot.").text
    assert told["empty"].text == wanted.prompt("Tea is hot.").suffix
    shuffled, plain = told["shuffled"].prefix.split(), wanted.prefix.split()
    assert sorted(shuffled) == sorted(plain)
    assert shuffled != plain
    assert all("Tea is hot." in prompt.suffix for prompt in told.values())
    assert wanted.prompt("Tea is hot.") not in told.values()


def test_a_shuffled_instruction_is_the_same_for_all_sentences() -> None:
    wanted = load_prompts("instructions").entailment[0]
    assert wanted.shuffled.prefix == wanted.shuffled.prefix
    assert wanted.shuffled.prompt("a").prefix == wanted.shuffled.prompt("b").prefix


def test_an_unknown_noisy_instruction_is_a_wrong_call() -> None:
    wanted = load_prompts("few_shot").entailment[0]
    with pytest.raises(ValueError, match="no noisy instruction 'loud'"):
        noisy_prompt("loud", "x", wanted=Shown(wanted), opposite=Shown(wanted))


@pytest.mark.parametrize("name", prompt_set_names())
def test_examples_stand_between_what_all_share_and_the_question(name: str) -> None:
    for instruction in (*load_prompts(name).entailment, *load_prompts(name).contradiction):
        shown = [Example("He ate {answer} pies.", "He had pies."), Example("Go!", "Leave!")]
        prompt, bare = instruction.prompt("Tea is hot.", shown), instruction.prompt("Tea is hot.")
        assert prompt.prefix == bare.prefix
        assert prompt.suffix.endswith(bare.suffix)
        examples = prompt.suffix.removesuffix(bare.suffix)
        words = ("He ate {answer} pies.", "He had pies.", "Go!", "Leave!")
        places = [examples.index(text) for text in words]
        assert places == sorted(places)
        # The question has the very form of an example whose answer is still missing.
        as_example = instruction.prompt("", [Example("Tea is hot.", "")]).suffix
        assert as_example.startswith(bare.suffix)


def test_each_branch_is_shown_the_answers_of_its_own_hypothesis() -> None:
    prompts = load_prompts("few_shot")
    wanted = Shown(prompts.entailment[0], [Example("Go!", "Leave!")])
    opposite = Shown(prompts.contradiction[0], [Example("Go!", "Stay!")])
    told = {
        kind: noisy_prompt(kind, "Tea is hot.", wanted=wanted, opposite=opposite).suffix
        for kind in ("opposite", "shuffled", "empty", "literal")
    }
    assert "Stay!" in told["opposite"]
    assert all("Leave!" in told[kind] for kind in ("shuffled", "literal"))
    assert "Go!" not in told["empty"]
