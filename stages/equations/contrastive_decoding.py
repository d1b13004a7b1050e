"""Stage 1 of MultiCSR (arXiv 2310.10962, section 3.1): scores of the next token."""

import math

import torch
from torch import Tensor

NUCLEUS_AT_FIRST = 512
"""Most likely tokens that are sorted at first; all of them only where these hold too little."""


def contrastive_scores(
    wanted: Tensor, noisy: Tensor | None, *, omega: float, plausibility: float = 0.0
) -> Tensor:
    """Return ``l - omega * l_hat``: what the wanted instruction says and the noisy one does not.

    Args:
        wanted: ``(rows, vocabulary)`` logits ``l`` under the wanted instruction.
        noisy: ``(rows, vocabulary)`` logits ``l_hat`` under the noisy instruction on the same
            generated prefix; None where ``omega`` is 0.
        omega: Weight of the noisy branch; any real number, 0 is plain generation.
        plausibility: Tokens whose probability under the wanted instruction is below this share of
            the most likely token's get ``-inf`` (Li et al. 2023, equation 2); 0 excludes none.

    Returns:
        ``(rows, vocabulary)`` scores whose softmax is the sampling distribution.

    Raises:
        ValueError: When ``omega`` is not 0 and there is no noisy branch.
    """
    if omega != 0 and noisy is None:
        message = f"omega = {omega} needs the logits of a noisy branch."
        raise ValueError(message)
    scores = wanted if noisy is None or omega == 0 else wanted - omega * noisy
    if plausibility > 0:
        threshold = wanted.amax(dim=-1, keepdim=True) + math.log(plausibility)
        scores = scores.masked_fill(wanted < threshold, -torch.inf)
    return scores


def plausible_tokens(wanted: Tensor, *, plausibility: float) -> tuple[Tensor, Tensor]:
    """Return the tokens that ``plausibility`` leaves, some ten of 50,000.

    Only they need be contrasted, sorted and drawn from.

    Args:
        wanted: ``(rows, vocabulary)`` logits under the wanted instruction.
        plausibility: Above 0; see :func:`contrastive_scores`.

    Returns:
        ``(rows, most tokens of a row)`` int64 tokens in ascending order, and as many bools, False
        where a row has fewer tokens than another.
    """
    left = wanted >= wanted.amax(dim=-1, keepdim=True) + math.log(plausibility)
    rows, columns = left.nonzero().unbind(1)
    counts = torch.bincount(rows, minlength=len(wanted))
    filled = torch.arange(int(counts.max()), device=wanted.device) < counts.unsqueeze(-1)
    tokens = torch.zeros_like(filled, dtype=torch.int64)
    tokens[filled] = columns
    return tokens, filled


def most_likely(scores: Tensor, *, top_k: int) -> Tensor:
    """Exclude all but the ``top_k`` most likely tokens (Fan et al. 2018); 0 excludes none.

    Args:
        scores: ``(rows, vocabulary)``, unnormalised log probabilities.
        top_k: Tokens to keep; those that tie with the last one stay too.

    Returns:
        ``(rows, vocabulary)``, excluded tokens at ``-inf``.
    """
    if top_k == 0 or top_k >= scores.shape[-1]:
        return scores
    last = scores.topk(top_k, dim=-1).values[:, -1:]
    return scores.masked_fill(scores < last, -torch.inf)


def nucleus(scores: Tensor, *, top_p: float, temperature: float = 1.0) -> Tensor:
    """Exclude all but the most likely tokens that together hold ``top_p`` (Holtzman et al. 2020).

    Args:
        scores: ``(rows, vocabulary)``, unnormalised log probabilities.
        top_p: In (0, 1]; 1 excludes none.
        temperature: Above 0; divides the scores before probabilities are summed.

    Returns:
        ``(rows, vocabulary)``, excluded tokens at ``-inf``; the most likely always stays, and so
        do tokens that tie with the last one.
    """
    if top_p >= 1:
        return scores
    probabilities = (scores / temperature).softmax(dim=-1)
    for count in (min(NUCLEUS_AT_FIRST, scores.shape[-1]), scores.shape[-1]):
        ordered = probabilities.topk(count, dim=-1).values
        held = ordered.cumsum(dim=-1)
        if (held[:, -1] >= top_p).all():
            break
    last = ((held - ordered) < top_p).sum(dim=-1, keepdim=True) - 1
    return scores.masked_fill(probabilities < ordered.gather(-1, last), -torch.inf)


def draw(scores: Tensor, uniforms: Tensor, *, temperature: float) -> Tensor:
    """Pick one token a row by inverting the cumulative distribution.

    A row's token depends on its own scores and its own uniform number only, so neighbours and
    batch size cannot change it.

    Args:
        scores: ``(rows, vocabulary)``, unnormalised log probabilities.
        uniforms: ``(rows,)``, numbers in [0, 1); not looked at when greedy.
        temperature: Divides the scores; 0 takes the most likely token.

    Returns:
        ``(rows,)`` int64 token ids.
    """
    if temperature == 0:
        return scores.argmax(dim=-1)
    # float64, because a sum over 50,000 small numbers loses the tail in float32.
    cumulative = (scores / temperature).softmax(dim=-1).double().cumsum(dim=-1)
    targets = uniforms.double().unsqueeze(-1) * cumulative[:, -1:]
    chosen = torch.searchsorted(cumulative, targets, right=True).squeeze(-1)
    return chosen.clamp(max=scores.shape[-1] - 1)
