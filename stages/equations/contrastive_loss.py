"""Stage 3 of MultiCSR (arXiv 2310.10962, equations 5 to 7): contrastive loss with a mask."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from torch import Tensor

PAIR = 2
"""A premise and its entailment, or its second view."""


def false_negatives(guide_cosines: Tensor, *, sigma: float, batch: int | None = None) -> Tensor:
    """Point out the candidates that a guide takes for paraphrases of somebody else's premise.

    The paper's equation 6: ``M_ij = 0`` iff the guide's cosine of premise ``i`` and candidate
    ``j`` is at least ``sigma`` and ``j`` does not belong to premise ``i``. The authors' code
    compares with ``>`` and may mask a premise's own contradiction; the equation does neither.

    Args:
        guide_cosines: ``(batch, 2 * batch)`` in [-1, 1]; column ``j`` is the entailment of premise
            ``j``, column ``batch + j`` its contradiction. Or any blocks of ``batch`` rows and
            ``batch`` columns, such as :func:`masked_nt_xent` takes.
        sigma: Least cosine of a false negative; above 1 nothing is masked.
        batch: Triplets; None where there is one row for each.

    Returns:
        Bool of the same shape, True where the candidate is to be left out. A triplet's own
        sentences are never True for one another.
    """
    return (guide_cosines >= sigma) & ~_own(guide_cosines, batch or len(guide_cosines))


def masked_info_nce(
    anchors: Tensor,
    candidates: Tensor,
    excluded: Tensor,
    *,
    tau: float,
    hard_negative_weight: float = 0.0,
) -> Tensor:
    """InfoNCE in which suspected false negatives neither attract nor repel.

    Premise ``i`` must find its entailment among all entailments and contradictions of the batch
    that are not excluded for it: ``-log(exp(s_ii / tau) / sum_j M_ij exp(s_ij / tau))`` with
    cosines ``s``. The authors' code multiplies masked logits by 0, which leaves ``exp(0) = 1`` in
    the sum; here they are minus infinity, as the equation says.

    SimCSE (arXiv 2104.08821) weighs a premise's own contradiction, and no other candidate, by
    alpha in the sum: ``exp(w) * exp(s_i,batch+i / tau)`` with ``w = log(alpha)``. So here; MultiCSR
    has no such weight, ``w = 0``.

    Args:
        anchors: ``(batch, width)``, the premises; of any length, since cosines are taken.
        candidates: ``(2 * batch, width)``, all entailments, then all contradictions, in the order
            of the premises; or ``(batch, width)``, where there are no contradictions.
        excluded: Bool, a row an anchor and a column a candidate, see :func:`false_negatives`. A
            premise's own candidates take part whatever is written there.
        tau: Temperature that divides the cosines; above 0.
        hard_negative_weight: The logarithm ``w``; above 0 the own contradiction repels more.

    Returns:
        ``()``, mean over the batch, in nats; float32, or float64 for float64 embeddings.

    Raises:
        ValueError: When the shapes do not fit together.
    """
    batch = len(anchors)
    pool = len(candidates)
    if pool not in {batch, 2 * batch} or excluded.shape != (batch, pool):
        message = (
            f"{batch} anchors need {batch} or {2 * batch} candidates and a mask of as many columns,"
            f" not {pool} and {tuple(excluded.shape)}."
        )
        raise ValueError(message)
    # Autocast would take the cosines in bfloat16, whose steps of 0.004 become 0.08 after tau.
    with torch.autocast(anchors.device.type, enabled=False):
        scores = _cosines(anchors, candidates) / tau
        if hard_negative_weight and pool > batch:
            scores[:, batch:].diagonal().add_(hard_negative_weight)
        scores = scores.masked_fill(excluded & ~_own(scores, batch), -torch.inf)
        return F.cross_entropy(scores, torch.arange(batch, device=scores.device))


def masked_nt_xent(
    columns: Sequence[Tensor],
    excluded: Tensor,
    *,
    tau: float,
    hard_negative_weight: float = 0.0,
) -> Tensor:
    """NT-Xent of SimCLR (arXiv 2002.05709), with contradictions and with the mask of MultiCSR.

    Every premise must find its entailment, and every entailment its premise, among all other
    sentences of the batch: the premises and entailments of the others too, and all contradictions,
    but for those that are excluded. Beside :func:`masked_info_nce` it pulls from both sides, and
    pushes sentences of one kind apart.

    Args:
        columns: Premises, entailments and contradictions, ``(batch, width)`` each, of any length;
            or premises and their second views.
        excluded: ``(2 * batch, columns * batch)`` bool: a row for each premise, then for each
            entailment; a column for each sentence, in the order of ``columns``. A triplet's own
            sentences take part whatever is written there; nothing is held against itself.
        tau: Temperature that divides the cosines; above 0.
        hard_negative_weight: Logarithm of the weight of the own contradiction, for both anchors.

    Returns:
        ``()``, mean over the ``2 * batch`` anchors, in nats; float32, or float64 for float64.

    Raises:
        ValueError: When the shapes do not fit together.
    """
    batch, pool = len(columns[0]), sum(map(len, columns))
    if pool != len(columns) * batch or excluded.shape != (PAIR * batch, pool):
        message = (
            f"{len(columns)} columns of {batch} sentences each need a mask of {PAIR * batch} rows "
            f"and {len(columns) * batch} columns, not {tuple(excluded.shape)} for {pool} sentences."
        )
        raise ValueError(message)
    with torch.autocast(columns[0].device.type, enabled=False):
        sentences = torch.cat(list(columns))
        scores = _cosines(sentences[: PAIR * batch], sentences) / tau
        own = _own(scores, batch)
        if hard_negative_weight and len(columns) > PAIR:
            scores[:, PAIR * batch :] += hard_negative_weight * own[:, PAIR * batch :].to(scores)
        scores = scores.masked_fill(excluded & ~own, -torch.inf).fill_diagonal_(-torch.inf)
        anchors = torch.arange(PAIR * batch, device=scores.device)
        return F.cross_entropy(scores, anchors.roll(batch))


def _own(scores: Tensor, batch: int) -> Tensor:
    """Say where a row and a column are of the same triplet."""
    rows, columns = scores.shape
    one = torch.eye(batch, dtype=torch.bool, device=scores.device)
    return one.repeat(rows // batch, columns // batch)


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    dtype = torch.promote_types(left.dtype, torch.float32)
    return F.normalize(left.to(dtype), dim=-1) @ F.normalize(right.to(dtype), dim=-1).T
