"""Write answers token by token, whatever model continues the rows."""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from stages.equations.contrastive_decoding import (
    contrastive_scores,
    draw,
    most_likely,
    nucleus,
    plausible_tokens,
)
from stages.language_models.protocol import Decoding, Prompt, Request
from stages.language_models.randomness import uniforms

# Rows are dropped from the batch once this share of them has finished: copying the cache costs
# about as much as a step, so dropping each row by itself would not pay.
FINISHED_SHARE = 0.2


class Branches(Protocol):
    """Rows that a model continues together: all wanted branches, then all noisy ones."""

    def advance(self, tokens: Tensor) -> Tensor:
        """Append a token to each row; return ``(rows, vocabulary)`` logits of the next."""

    def keep(self, rows: Tensor) -> None:
        """Go on with ``rows`` (int64, ascending) only."""


def prompts_of(requests: Sequence[Request], *, omega: float) -> list[Prompt]:
    """Return the prompt of every branch: all wanted ones, and all noisy ones where omega is not 0.

    Raises:
        ValueError: When a noisy prompt is needed and missing.
    """
    wanted = [request.wanted for request in requests]
    return wanted if omega == 0 else wanted + [_noisy(request) for request in requests]


def write_tokens(
    logits: Tensor, branches: Branches, keys: list[str], decoding: Decoding, *, stops: Tensor
) -> list[list[int]]:
    """Draw tokens until every answer has stopped or is ``max_new_tokens`` long.

    Args:
        logits: ``(branches * answers, vocabulary)`` of the first token, wanted branches first.
        branches: Continues the rows of ``logits``.
        keys: Name the random numbers of each answer.
        decoding: How tokens are drawn.
        stops: ``(vocabulary,)`` bool, the tokens that end an answer.

    Returns:
        The tokens of each answer; the last is a stop unless the limit came first.
    """
    numbers = torch.from_numpy(uniforms(decoding.seed, keys, count=decoding.max_new_tokens))
    written: list[list[int]] = [[] for _ in keys]
    branches_each = len(logits) // len(keys)
    alive = torch.arange(len(keys))
    going = torch.ones(len(keys), dtype=torch.bool)
    for step in range(decoding.max_new_tokens):
        if decoding.no_repeat_ngram:
            so_far = [written[row] for row in alive.tolist()]
            logits = _without_repeats(logits, so_far, size=decoding.no_repeat_ngram)
        drawn = _drawn(logits, numbers[alive, step], decoding)
        for row, token in zip(alive[going].tolist(), drawn[going].tolist(), strict=True):
            written[row].append(token)
        going = going & ~stops[drawn]
        if not going.any() or step + 1 == decoding.max_new_tokens:
            break
        if (~going).float().mean() >= FINISHED_SHARE:
            branches.keep(going.repeat(branches_each).nonzero()[:, 0])
            alive, drawn, going = alive[going], drawn[going], going[going]
        logits = branches.advance(drawn.repeat(branches_each))
    return written


def _drawn(logits: Tensor, numbers: Tensor, decoding: Decoding) -> Tensor:
    tokens = None
    if decoding.plausibility > 0:
        tokens, logits = _plausible(logits, rows=len(numbers), plausibility=decoding.plausibility)
    wanted, *noisy = logits.split(len(numbers))
    # Only plausible tokens are left: they need not be looked for once more.
    scores = contrastive_scores(wanted, noisy[0] if noisy else None, omega=decoding.omega)
    if decoding.temperature > 0:
        scores = most_likely(scores, top_k=decoding.top_k)
        scores = nucleus(scores, top_p=decoding.top_p, temperature=decoding.temperature)
    drawn = draw(scores, numbers.to(scores.device), temperature=decoding.temperature)
    return (drawn if tokens is None else tokens.gather(-1, drawn[:, None])[:, 0]).cpu()


def _plausible(logits: Tensor, *, rows: int, plausibility: float) -> tuple[Tensor, Tensor]:
    """Return each row's plausible tokens, and the logits of all branches at these alone."""
    tokens, filled = plausible_tokens(logits[:rows], plausibility=plausibility)
    gathered = logits.gather(-1, tokens.repeat(len(logits) // rows, 1))
    gathered[:rows].masked_fill_(~filled, -torch.inf)
    return tokens, gathered


def _without_repeats(logits: Tensor, written: list[list[int]], *, size: int) -> Tensor:
    """Exclude, under the wanted instruction, tokens that would repeat an n-gram of the answer.

    Done before the contrast, so that plausibility is measured against what may still be said.
    """
    places = [
        (row, token)
        for row, tokens in enumerate(written)
        for token in continuations_seen(tokens, size=size)
    ]
    if not places:
        return logits
    rows, tokens = torch.tensor(places).unbind(1)
    logits = logits.clone()
    logits[rows, tokens] = -torch.inf
    return logits


def continuations_seen(tokens: Sequence[int], *, size: int) -> set[int]:
    """Return the tokens that would complete an n-gram of ``size`` that ``tokens`` already hold.

    >>> continuations_seen([5, 7, 5, 8, 5], size=2)
    {8, 7}
    """
    last = tuple(tokens[len(tokens) - size + 1 :])
    return {
        tokens[end]
        for end in range(size - 1, len(tokens))
        if tuple(tokens[end - size + 1 : end]) == last
    }


def _noisy(request: Request) -> Prompt:
    if request.noisy is None:
        message = f"request {request.key} has no noisy prompt, but omega is not 0."
        raise ValueError(message)
    return request.noisy
