"""Stage 2, scoring: how similar the language model holds two sentences to be, 0 to 5."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stages.equations.similarity_scores import (
    expected_digit,
    logistic_score,
    relative_information,
    scaled_score,
)
from stages.language_models.prompts import Instruction, PromptSet
from stages.language_models.protocol import Decoding, LanguageModel, Prompt, Request

# The released code's question, with the digits' scale; examples help models that were never
# asked this before, and do no harm to those that were.
QUESTION = "Scoring the semantic similarity of the following sentences between 0.0 and 5.0: (a)"
EXAMPLES = (
    ("A plane is taking off.", "An aeroplane leaves the runway.", "4.8"),
    ("The shop closes at six on weekdays.", "On Mondays the shop is open until six.", "3.1"),
    ("My brother repairs old clocks.", "My brother sells old cars.", "1.4"),
    ("It rained all through the wedding.", "The recipe needs two eggs.", "0.2"),
)
UNRELATED, PARAPHRASED = -0.16, 0.56
"""Relative information that scores 0.25 and 4.75, the rest along an S between 0 and 5.

Both are medians of what SmolLM2-135M makes of the starter corpus under ``few_shot``'s paraphrase
prompt: -0.158 over 300 pairs of premises put together at random, 0.564 over the 30 pairs of its
``dev.tsv`` that are graded 4.5 to 5. No public benchmark had a part in it, nor the grades between:
the starter's middle pairs are hard on purpose (EXPERIMENTS.md, 10)."""
TOLD_NOTHING, TOLD_ALL = 0.0, 1.0
"""Shares that ``forward`` scores 0 and 5, linear between, as the encoder's cosine is: a share
is on a scale already and needs no data. Of the same pairs its medians are -0.153 at random and, in
one direction and the other, 0.541 and 0.626 for paraphrases."""

OPPOSITE, SAME = -5.0, 5.0
"""Nats of ``contrast`` that score 0.25 and 4.75: e^5, 148 times likelier one way or the other."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Judgement:
    """A similarity and what it was read from."""

    score: float | None
    """In [0, 5]; None when the answer could not be read."""
    answer: str
    """What the model wrote, or the number before it was scaled."""


def judge(
    model: LanguageModel, pairs: Sequence[Pair], *, method: str, prompts: PromptSet
) -> list[Judgement]:
    """Judge ``pairs`` by ``method``.

    Args:
        model: The judge.
        pairs: Pairs of sentences.
        method: ``generate``, ``expectation``, ``likelihood``, ``forward`` or ``contrast``.
        prompts: The last three measure under its first entailment instruction, which asks for a
            paraphrase, and ``contrast`` under its first contradiction instruction, too.

    Returns:
        One judgement per pair, in order.
    """
    same, opposite = prompts.entailment[0], prompts.contradiction[0]
    match method:
        case "generate":
            return by_generation(model, pairs)
        case "expectation":
            return by_expectation(model, pairs)
        case "likelihood":
            return by_likelihood(model, pairs, instruction=same)
        case "forward":
            return by_forward_likelihood(model, pairs, instruction=same)
        case "contrast":
            return by_contrast(model, pairs, instruction=same, opposite=opposite)
    message = f"no scoring method {method!r}"
    raise ValueError(message)


def by_generation(model: LanguageModel, pairs: Sequence[Pair]) -> list[Judgement]:
    """Let the model write the number, greedily (the paper's way)."""
    greedy = Decoding(omega=0, plausibility=0, temperature=0, top_p=1, max_new_tokens=8, seed=0)
    requests = [Request(question(pair), None, "") for pair in pairs]
    answers = [answer.text for answer in model.write(requests, greedy)]
    return [Judgement(parse_score(answer), answer) for answer in answers]


def by_expectation(model: LanguageModel, pairs: Sequence[Pair]) -> list[Judgement]:
    """Weigh the digits 0 to 5 by the probability that the answer starts with them."""
    asked = [(question(pair), f" {digit}") for pair in pairs for digit in range(6)]
    table = np.array(model.log_likelihoods(asked)).reshape(len(pairs), 6)
    means = expected_digit(table) if pairs else np.empty(0)
    return [Judgement(float(mean), f"{mean:.6f}") for mean in means]


def by_likelihood(
    model: LanguageModel, pairs: Sequence[Pair], *, instruction: Instruction
) -> list[Judgement]:
    """Measure how much the sentences tell about each other when one is to paraphrase the other.

    The mutual information of both directions over the information of both sentences,
    ``(I(x; y) + I(y; x)) / (h(x) + h(y))`` with ``h(x) = -log P(x)`` and
    ``I(x; y) = log P(y | paraphrase of x) + h(y)``, mapped to (0, 5) by a function that keeps the
    order of all pairs.
    """
    both = [direction for x, y in pairs for direction in ((x, y), (y, x))]
    mutual, h = _informations(model, both, instruction)
    ratios = relative_information([mutual[::2], mutual[1::2]], [h[::2], h[1::2]])
    return _judgements(logistic_score(ratios, low=UNRELATED, high=PARAPHRASED), ratios)


def by_forward_likelihood(
    model: LanguageModel, pairs: Sequence[Pair], *, instruction: Instruction
) -> list[Judgement]:
    """Measure what share of the second sentence the first tells: ``I(x; y) / h(y)``.

    One direction of :func:`by_likelihood` in two thirds of its time, mapped linearly to [0, 5]. An
    entailment may say less than its premise; of what it says, the premise told all.
    """
    mutual, h = _informations(model, pairs, instruction)
    shares = relative_information([mutual], [h])
    return _judgements(scaled_score(shares, low=TOLD_NOTHING, high=TOLD_ALL), shares)


def by_contrast(
    model: LanguageModel,
    pairs: Sequence[Pair],
    *,
    instruction: Instruction,
    opposite: Instruction,
) -> list[Judgement]:
    """Measure whether the second sentence sounds like the first's paraphrase or its opposite.

    ``I(x; y)`` under ``instruction`` less ``I(x; y)`` under ``opposite``, in nats: how many times
    likelier, as a logarithm, the first sentence makes the second as its paraphrase than as its
    opposite. It is the counterpart of contrastive generation, whose words are drawn by that very
    difference.
    """
    told, _ = _informations(model, pairs, instruction)
    denied, _ = _informations(model, pairs, opposite)
    nats = told - denied
    return _judgements(logistic_score(nats, low=OPPOSITE, high=SAME), nats)


def _informations(
    model: LanguageModel, directions: Sequence[Pair], instruction: Instruction
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return I(x; y) and h(y) in nats of every (x, y) of ``directions``."""
    alone = list(dict.fromkeys(y for _, y in directions))
    asked = [(instruction.opening, _line(y)) for y in alone]
    asked += [(instruction.prompt(x), _line(y)) for x, y in directions]
    known = model.log_likelihoods(asked)
    information = {y: -value for y, value in zip(alone, known, strict=False)}
    h = np.array([information[y] for _, y in directions])
    return np.array(known[len(alone) :]) + h, h


def _judgements(scores: NDArray[np.float64], measured: NDArray[np.float64]) -> list[Judgement]:
    return [Judgement(float(s), f"{m:.6f}") for s, m in zip(scores, measured, strict=True)]


def question(pair: Pair) -> Prompt:
    """Return the prompt that asks for the similarity of ``pair`` as a number.

    All up to the first sentence is its prefix, which a model computes once for all pairs.
    """
    shown = "".join(f"{QUESTION}{_named((a, b))} {score}\n\n" for a, b, score in EXAMPLES)
    return Prompt(f"{shown}{QUESTION}", _named(pair))


def parse_score(answer: str) -> float | None:
    """Return the similarity the answer states, or None when it is not one number in 0..5.

    >>> parse_score(" 4.5 "), parse_score("5"), parse_score("about 4"), parse_score("7")
    (4.5, 5.0, None, None)
    >>> parse_score("4."), parse_score("4.25."), parse_score("-1"), parse_score("")
    (4.0, 4.25, None, None)
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d*)?)\.?\s*", answer, flags=re.ASCII)
    score = float(found[1]) if found else None
    return score if score is not None and score <= 5 else None


def _named(pair: Pair) -> str:
    return f" {pair[0]} (b) {pair[1]}\nScore:"


def _line(sentence: str) -> str:
    # The line break belongs to the sentence: it says that nothing more follows.
    return f" {sentence}\n"
