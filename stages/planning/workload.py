"""What each stage computes: operations, bytes that pass through memory, steps one after another.

Counted is what the code of this project does, not what a naive one would: prefixes once, prompts
that serve several branches once, the guide once a sentence.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stages.equations.compute_costs import cache_bytes, pass_flops, training_flops
from stages.planning.shapes import Shape
from stages.planning.texts import Texts

Settings = Mapping[str, Mapping[str, Any]]
"""Sections of params.yaml."""
LONGEST_OVER_MEAN = 1.8
"""A batch is written until its longest answer ends."""
DIGITS = 6
"""Continuations that `expectation` weighs, of two tokens each."""
NUMBER_TOKENS = 4
"""That a judge writes for a number."""
LOOK_PAIRS = 1500
"""Pairs of the dev benchmark where it is not at hand; STSB.dev has so many."""


@dataclass(frozen=True)
class Models:
    """The shapes of a run."""

    llm: Shape
    base: Shape
    guide: Shape
    nli: Shape | None = None


@dataclass(frozen=True)
class Work:
    """What one stage computes.

    Attributes:
        items: Premises or triplets.
        tokens: That go through a model, forward passes counted once.
        flops: Operations of what is computed side by side, bound by arithmetic.
        step_flops: Operations of what is written token by token.
        step_bytes: Bytes that pass through memory in these steps, at the batch size in force.
        repeated_flops: Of ``flops``, those that every process does for itself.
        steps: One after another, by one device.
        layers: Of the model that takes these steps.
    """

    items: float = 0
    tokens: float = 0
    flops: float = 0
    step_flops: float = 0
    step_bytes: float = 0
    repeated_flops: float = 0
    steps: float = 0
    layers: int = 0

    @property
    def all_flops(self) -> float:
        """All operations."""
        return self.flops + self.step_flops


def generation(
    settings: Settings, shape: Shape, texts: Texts, *, premises: float, number_bytes: int
) -> Work:
    """Return the work of stage generate."""
    chosen = settings["generate"]
    contrasted = chosen["omega"] != 0
    distinct = 4 if contrasted and chosen["noisy"] != "opposite" else 2
    branches = 2 * chosen["samples"] * (2 if contrasted else 1)
    own = texts.around + texts.premise + chosen["demonstrations"] * (texts.premise + texts.answer)
    batches = math.ceil(premises / chosen["batch_premises"])
    steps = batches * min(chosen["max_new_tokens"], LONGEST_OVER_MEAN * texts.answer)
    read = premises * distinct
    written = premises * branches * texts.answer
    read_tokens, flops = _read(shape, read, own=own, prefix=texts.prefix)
    context = texts.prefix + own + texts.answer / 2
    step_flops = written * _token_flops(shape, context)
    weights = (shape.stack if shape.kind == "decoder" else shape.decoder) + shape.head
    # The prefix is read once for all its rows, so a row only brings what is its own.
    row = context if shape.kind != "decoder" else own + texts.answer / 2
    layers = shape.layers if shape.kind == "decoder" else shape.decoder_layers
    cached = cache_bytes(row, layers=layers, kv_width=shape.kv_width, number_bytes=number_bytes)
    return Work(
        items=premises,
        tokens=read_tokens + written,
        flops=flops,
        step_flops=step_flops,
        step_bytes=steps * weights * number_bytes + written * cached,
        steps=steps,
        layers=layers,
    )


def scoring(
    settings: Settings, models: Models, texts: Texts, *, triplets: float, number_bytes: int
) -> Work:
    """Return the work of stage score, all judges together."""
    asked = triplets * texts.judged
    works = [
        _judged(name, settings, models, texts, triplets=asked, number_bytes=number_bytes)
        for name in settings["score"]["judges"]
    ]
    return Work(
        items=triplets,
        tokens=sum(work.tokens for work in works),
        flops=sum(work.flops for work in works),
        step_flops=sum(work.step_flops for work in works),
        step_bytes=sum(work.step_bytes for work in works),
        steps=sum(work.steps for work in works),
        layers=max(work.layers for work in works),
    )


def training(
    settings: Settings, models: Models, texts: Texts, *, triplets: float, dev_pairs: int
) -> Work:
    """Return the work of stage train's steps and looks at the dev set, the guide not counted."""
    chosen = settings["train"]
    looks = looks_of(settings, triplets)
    look = looks * 2 * dev_pairs * _pass(models.base, texts.sentence)
    replayed = chosen["mini_batch_triplets"] is not None
    epochs = triplets * chosen["epochs"]
    forward = encoded(models.base, texts, objective=chosen["objective"])
    sentences = 2 * texts.sentence
    if chosen["objective"] != "unsupervised":
        sentences = texts.sentence + 2 * texts.written
    return Work(
        items=triplets,
        tokens=epochs * sentences + looks * 2 * dev_pairs * texts.sentence,
        flops=training_flops(epochs * forward, replayed=replayed) + look,
        repeated_flops=look,
        steps=steps_of(settings, triplets),
        layers=models.base.layers,
    )


def guiding(settings: Settings, models: Models, texts: Texts, *, triplets: float) -> Work:
    """Return what the guide computes before the first step: every sentence once."""
    if settings["train"]["objective"] != "masked":
        return Work()
    tokens = triplets * (texts.sentence + 2 * texts.written)
    return Work(items=triplets, tokens=tokens, flops=triplets * encoded(models.guide, texts))


def steps_of(settings: Settings, triplets: float) -> float:
    """Return the steps of training on ``triplets``."""
    chosen = settings["train"]
    batches = math.ceil(triplets / chosen["batch_triplets"])
    return float(max(1, math.ceil(chosen["epochs"] * batches)))


def looks_of(settings: Settings, triplets: float) -> float:
    """Return how often the dev set is looked at: before the first step, between, after the last."""
    return float(1 + math.ceil(steps_of(settings, triplets) / settings["train"]["eval_steps"]))


def encoded(shape: Shape, texts: Texts, *, objective: str = "masked") -> float:
    """Return the operations of encoding one triplet once."""
    if objective == "unsupervised":
        return 2 * _pass(shape, texts.sentence)
    return _pass(shape, texts.sentence) + 2 * _pass(shape, texts.written)


def _judged(
    name: str,
    settings: Settings,
    models: Models,
    texts: Texts,
    *,
    triplets: float,
    number_bytes: int,
) -> Work:
    """Return the work of one judge."""
    match name:
        case "encoder":
            sentences = texts.sentence + 2 * texts.written
            flops = triplets * encoded(models.guide, texts)
            return Work(items=triplets, tokens=triplets * sentences, flops=flops)
        case "nli":
            pair = texts.sentence + texts.written
            flops = triplets * 2 * _pass(models.nli, pair) if models.nli else 0.0
            return Work(items=triplets, tokens=triplets * 2 * pair, flops=flops)
        case "likelihood":
            return _by_likelihood(models.llm, texts, triplets)
        case "forward" | "contrast":
            instructions = 2 if name == "contrast" else 1
            return _by_forward_likelihood(models.llm, texts, instructions * triplets)
        case "expectation":
            return _by_digits(models.llm, texts, triplets)
    rows = settings["score"]["batch_triplets"]
    return _by_writing(models.llm, texts, triplets, rows=rows, number_bytes=number_bytes)


def _by_digits(shape: Shape, texts: Texts, triplets: float) -> Work:
    """Two prompts a triplet, and every digit behind them."""
    own = _question(texts)
    tokens, flops = _read(shape, 2 * triplets, own=own, prefix=texts.asked_before)
    continued = 2 * triplets * DIGITS * 2
    flops += continued * _token_flops(shape, texts.asked_before + own)
    return Work(items=triplets, tokens=tokens + continued, flops=flops)


def _by_writing(
    shape: Shape, texts: Texts, triplets: float, *, rows: int, number_bytes: int
) -> Work:
    """Two prompts a triplet, and a number written behind them, ``rows`` triplets at once."""
    own = _question(texts)
    tokens, flops = _read(shape, 2 * triplets, own=own, prefix=texts.asked_before)
    written = 2 * triplets * NUMBER_TOKENS
    steps = math.ceil(triplets / rows) * NUMBER_TOKENS
    weights = (shape.stack if shape.kind == "decoder" else shape.decoder) + shape.head
    return Work(
        items=triplets,
        tokens=tokens + written,
        flops=flops,
        step_flops=written * _token_flops(shape, texts.asked_before + own),
        step_bytes=steps * weights * number_bytes,
        steps=steps,
        layers=shape.layers,
    )


def _question(texts: Texts) -> float:
    """Return the tokens of the question for a number that are not those of all pairs."""
    return texts.asked_around + texts.premise + texts.answer


def _by_likelihood(shape: Shape, texts: Texts, triplets: float) -> Work:
    """Three prompts a triplet, and four sentences behind them: each given the other."""
    three = texts.premise + 2 * texts.answer
    four = 2 * texts.premise + 2 * texts.answer
    own = texts.around + three / 3
    tokens, flops = _read(shape, 3 * triplets, own=own, prefix=texts.prefix)
    behind = texts.prefix + own + four / 8
    continued = triplets * (four + 4)  # each begins with the prompt's last token
    if shape.kind == "decoder":
        flops += continued * _token_flops(shape, behind, head=False)
        flops += triplets * (three + four) * 2 * shape.head
    else:  # the sentences alone are written by the decoder, too
        flops += (continued + triplets * three) * _token_flops(shape, behind)
    return Work(items=triplets, tokens=tokens + continued, flops=flops)


def _by_forward_likelihood(shape: Shape, texts: Texts, triplets: float) -> Work:
    """One prompt a triplet; both answers behind it, and alone."""
    two = 2 * texts.answer
    own = texts.around + texts.premise
    tokens, flops = _read(shape, triplets, own=own, prefix=texts.prefix)
    behind = texts.prefix + own + two / 4
    told = triplets * (two + 2)  # each begins with the prompt's last token
    alone = triplets * two
    if shape.kind == "decoder":
        flops += told * _token_flops(shape, behind, head=False)
        flops += alone * _token_flops(shape, texts.prefix + two / 4, head=False)
        flops += 2 * alone * 2 * shape.head
    else:
        flops += (told + alone) * _token_flops(shape, behind)
    return Work(items=triplets, tokens=tokens + told + alone, flops=flops)


def _read(shape: Shape, prompts: float, *, own: float, prefix: float) -> tuple[float, float]:
    """Return tokens and operations of reading ``prompts`` of ``own`` tokens behind a prefix."""
    if shape.kind == "encoder_decoder":
        # Each token sees all others, so nothing of a prompt is that of another one.
        length = prefix + own
        flops = prompts * _pass(shape, length)
        # Keys and values of every decoder layer's attention to the prompt.
        flops += prompts * length * 4 * shape.decoder_layers * shape.width * shape.kv_width
        return prompts * length, flops
    attended = shape.layers * shape.heads_width * (prefix + own / 2)
    return prompts * own, pass_flops(prompts * own, weights=shape.stack, attended=attended)


def _token_flops(shape: Shape, context: float, *, head: bool = True) -> float:
    """Return the operations of one more token behind ``context``."""
    scores = 2 * shape.head if head else 0
    if shape.kind == "encoder_decoder":
        weights = shape.decoder - shape.decoder_layers * 2 * shape.width * shape.kv_width
        attended = shape.decoder_layers * shape.heads_width * context
        return pass_flops(1, weights=weights, attended=attended) + scores
    attended = shape.layers * shape.heads_width * context
    return pass_flops(1, weights=shape.stack, attended=attended) + scores


def _pass(shape: Shape, length: float) -> float:
    """Return the operations of a text of ``length`` tokens that all see one another."""
    attended = shape.layers * shape.heads_width * length
    return pass_flops(length, weights=shape.stack, attended=attended)
