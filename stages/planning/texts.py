"""How long texts are: those of a corpus, of what is asked about them, and of the answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, pstdev

from stages.language_models.judging import question
from stages.language_models.prompts import PromptSet

CHARACTERS_A_TOKEN = 4.3
"""Of English in vocabularies of 30,000 to 150,000 tokens: assumed where no tokenizer is at hand."""
SPECIAL_TOKENS = 2
"""That an encoder puts around a sentence."""
MOST_SAMPLED = 2000
"""Sentences of a corpus whose tokens are counted."""


@dataclass(frozen=True)
class Corpus:
    """What is known of the premises.

    Attributes:
        premises: How many there are.
        characters: Mean length of one.
        spread: Standard deviation of the length over its mean.
        sampled: How many were looked at; 0 where a person only told their length.
    """

    premises: float
    characters: float
    spread: float = 0.0
    sampled: int = 0


@dataclass(frozen=True)
class Texts:
    """Lengths in tokens, of one text each on average.

    Attributes:
        premise: By the language model's tokenizer.
        answer: The same of an entailment or contradiction, with the token that ends it.
        sentence: A premise by the encoder's tokenizer, with its special tokens.
        written: An answer by the encoder's tokenizer, with its special tokens.
        prefix: What stands before the premise and all premises share.
        around: What stands around the premise besides.
        asked_before: What a judge that writes or weighs digits reads before a pair.
        asked_around: What it reads around a pair besides.
        bytes_a_token: Of a premise, by the language model's tokenizer.
        judged: Share of the triplets that judges are asked about: not those with a flaw.
    """

    premise: float
    answer: float
    sentence: float
    written: float
    prefix: float
    around: float
    asked_before: float
    asked_around: float
    bytes_a_token: float
    judged: float = 1.0


@dataclass(frozen=True)
class Ratios:
    """What turns characters into tokens, and premises into answers.

    Attributes:
        llm: Characters a token of the language model.
        encoder: Characters a token of the encoder.
        answer: Characters of an answer over those of its premise.
        judged: Share of the triplets that judges are asked about.
        measured: Whether they were counted, and not assumed.
    """

    llm: float = CHARACTERS_A_TOKEN
    encoder: float = CHARACTERS_A_TOKEN
    answer: float = 0.9
    judged: float = 1.0
    measured: bool = False


def corpus_of(sentences: Sequence[str], *, premises: float | None = None) -> Corpus:
    """Return what ``sentences`` say of a corpus of ``premises``, by default of themselves."""
    lengths = [len(sentence) for sentence in sentences]
    mean = fmean(lengths)
    return Corpus(premises or len(lengths), mean, pstdev(lengths) / mean, len(lengths))


def count_tokens(tokenizer: Path, texts: Sequence[str]) -> int:
    """Return the tokens of ``texts`` by a tokenizer.json, special tokens not counted."""
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    loaded.no_truncation()
    loaded.no_padding()
    encoded = loaded.encode_batch(list(texts), add_special_tokens=False)
    return sum(len(one.ids) for one in encoded)


def characters_a_token(tokenizer: Path | None, texts: Sequence[str]) -> float:
    """Return the mean characters of a token of ``texts``; what is assumed without a tokenizer."""
    if tokenizer is None or not any(texts):
        return CHARACTERS_A_TOKEN
    return sum(map(len, texts)) / count_tokens(tokenizer, texts)


def texts_of(
    characters: float,
    *,
    ratios: Ratios,
    prompts: PromptSet,
    max_new_tokens: int,
    max_tokens: int,
) -> Texts:
    """Return the lengths that follow from a premise of ``characters``.

    Args:
        characters: Mean length of a premise.
        ratios: How characters become tokens.
        prompts: What is asked.
        max_new_tokens: Longest answer.
        max_tokens: Longest sentence of the encoder.
    """
    instructions = (*prompts.entailment, *prompts.contradiction)
    suffixes = [one.suffix.replace("{sentence}", "") for one in instructions]
    asked = question(("", ""))
    premise = characters / ratios.llm
    answer = characters * ratios.answer
    return Texts(
        premise=premise,
        answer=min(max_new_tokens, answer / ratios.llm + 1),
        sentence=min(max_tokens, characters / ratios.encoder + SPECIAL_TOKENS),
        written=min(max_tokens, answer / ratios.encoder + SPECIAL_TOKENS),
        prefix=fmean(len(one.prefix) for one in instructions) / ratios.llm,
        around=fmean(map(len, suffixes)) / ratios.llm,
        asked_before=len(asked.prefix) / ratios.llm,
        asked_around=len(asked.suffix) / ratios.llm,
        bytes_a_token=ratios.llm,
        judged=ratios.judged,
    )
