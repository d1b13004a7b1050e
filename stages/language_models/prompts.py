"""Prompt sets: what the language model is told, as data."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError
from stages.language_models.protocol import Prompt
from stages.language_models.randomness import generator
from stages.tables.columns import WRITTEN

PLACEHOLDER = "{sentence}"
ANSWER = "{answer}"
LITERAL = "Always respond with the opposite of what you're asked. You never get it right.\n"
"""The noisy instruction that Instructive Decoding (Kim et al. 2024) calls opposite."""


class Example(NamedTuple):
    """A premise and what people wrote for it, shown before the question."""

    sentence: str
    answer: str


@dataclass(frozen=True)
class Instruction:
    """One way to ask for a hypothesis."""

    name: str
    prefix: str
    """Text before the premise that all premises share."""
    suffix: str
    """Text that holds the premise, at ``{sentence}``, and ends where the answer begins."""
    example: str = ""
    """Text that holds a premise and its answer, at ``{answer}``; empty where none can be shown."""

    def prompt(self, sentence: str, shown: Sequence[Example] = ()) -> Prompt:
        """Return the prompt that asks about ``sentence`` after examples, the last one nearest."""
        examples = "".join(map(self._told, shown))
        return Prompt(self.prefix, examples + self.suffix.replace(PLACEHOLDER, sentence))

    def _told(self, example: Example) -> str:
        # In one pass: a premise may hold the very placeholder of the answer.
        filled = {PLACEHOLDER: example.sentence, ANSWER: example.answer}
        return re.sub("|".join(map(re.escape, filled)), lambda m: filled[m[0]], self.example)

    @property
    def shuffled(self) -> "Instruction":
        """The instruction with its words in an order drawn by its name: the same for all rows."""
        words = self.prefix.split()
        order = generator(0, f"{self.name}/shuffled").permutation(len(words))
        prefix = " ".join(words[place] for place in order)
        return replace(self, prefix=f"{prefix}\n" if words else "")

    @property
    def opening(self) -> Prompt:
        """The prompt up to where the premise would stand: asks for any sentence at all."""
        return Prompt(self.prefix, self.suffix.split(PLACEHOLDER)[0].rstrip(" "))


class Shown(NamedTuple):
    """An instruction with the examples that are shown for one premise."""

    instruction: Instruction
    examples: Sequence[Example] = ()

    def prompt(self, sentence: str) -> Prompt:
        """Return the prompt that asks about ``sentence``."""
        return self.instruction.prompt(sentence, self.examples)


def noisy_prompt(kind: str, sentence: str, *, wanted: Shown, opposite: Shown) -> Prompt:
    """Return what the noisy branch is told: the variants that Instructive Decoding compares.

    Args:
        kind: ``opposite`` (the other hypothesis' instruction), ``shuffled`` (the wanted one, its
            words out of order), ``empty`` (nothing before the sentence) or ``literal`` (the
            wanted one, after an order always to do the opposite).
        sentence: The premise.
        wanted: The instruction of the wanted branch, with its examples.
        opposite: That of the other hypothesis.
    """
    instruction = wanted.instruction
    match kind:
        case "opposite":
            return opposite.prompt(sentence)
        case "shuffled":
            return instruction.shuffled.prompt(sentence, wanted.examples)
        case "empty":
            return replace(instruction, prefix="").prompt(sentence)
        case "literal":
            literal = replace(instruction, prefix=LITERAL + instruction.prefix)
            return literal.prompt(sentence, wanted.examples)
    message = f"no noisy instruction {kind!r}"
    raise ValueError(message)


@dataclass(frozen=True)
class PromptSet:
    """The instructions that may be drawn for each hypothesis."""

    entailment: tuple[Instruction, ...]
    contradiction: tuple[Instruction, ...]
    digest: str
    """Hash of the file: part of every fingerprint."""

    def draw(self, hypothesis: str, *, seed: int, key: str) -> Instruction:
        """Draw the instruction for the sentence ``key``, whatever its neighbours."""
        pool: tuple[Instruction, ...] = getattr(self, hypothesis)
        return pool[int(generator(seed, f"{key}/{hypothesis}/instruction").integers(len(pool)))]


def load_prompts(name: str) -> PromptSet:
    """Load a prompt set that comes with multicsr, or the YAML file ``name``.

    Raises:
        PipelineError: When there is no such set or file, or it does not say what is needed.
    """
    text = _text(name)
    try:
        values = load_yaml(text)
        entailment, contradiction = (_instructions(values, name, kind) for kind in WRITTEN)
    except YAMLError as error:
        raise PipelineError(f"prompts {name} are not YAML: {error}", remedy="mend it.") from error
    digest = hashlib.sha256(text.encode()).hexdigest()
    return PromptSet(entailment=entailment, contradiction=contradiction, digest=digest)


def prompt_set_names() -> list[str]:
    """Return the names of the prompt sets that come with multicsr."""
    folder = resources.files("stages.language_models") / "prompts"
    return sorted(file.name.removesuffix(".yaml") for file in folder.iterdir())


def _text(name: str) -> str:
    if name in prompt_set_names():
        folder = resources.files("stages.language_models") / "prompts"
        return (folder / f"{name}.yaml").read_text(encoding="utf-8")
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            f"generate.prompts = {name!r} is neither a prompt set nor a readable file.",
            remedy=f"choose one of {', '.join(prompt_set_names())}, or name a YAML file.",
        ) from error


def _instructions(values: Any, name: str, hypothesis: str) -> tuple[Instruction, ...]:
    entries = values.get(hypothesis) if isinstance(values, Mapping) else None
    if not isinstance(entries, list) or not entries:
        raise _fault(name, f"{hypothesis} must be a list of instructions")
    return tuple(_instruction(entry, name, f"{hypothesis}[{i}]") for i, entry in enumerate(entries))


def _instruction(entry: Any, name: str, place: str) -> Instruction:
    wanted = {"name", "prefix", "suffix"}
    texts = isinstance(entry, Mapping) and all(isinstance(v, str) for v in entry.values())
    if not texts or set(entry) - {"example"} != wanted:
        raise _fault(name, f"{place} must have the texts {', '.join(sorted(wanted))}")
    for slot in (PLACEHOLDER, ANSWER):
        if entry.get("example") and slot not in entry["example"]:
            raise _fault(name, f"{place}.example must hold {slot}")
    if entry["suffix"].count(PLACEHOLDER) != 1:
        raise _fault(name, f"{place}.suffix must hold {PLACEHOLDER} once")
    return Instruction(**entry)


def _fault(name: str, what: str) -> PipelineError:
    return PipelineError(
        f"prompts {name}: {what}.",
        remedy="see stages/language_models/prompts/few_shot.yaml for the form.",
    )
