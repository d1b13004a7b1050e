"""Stage 3 of MultiCSR (arXiv 2310.10962, equations 5 to 7): contrastive loss with a mask."""

import torch
import torch.nn.functional as F  # noqa: N812 (the name everybody knows)
from torch import Tensor


def false_negatives(guide_cosines: Tensor, *, sigma: float) -> Tensor:
    """Point out the candidates that a guide takes for paraphrases of somebody else's premise.

    The paper's equation 6: ``M_ij = 0`` iff the guide's cosine of premise ``i`` and candidate
    ``j`` is at least ``sigma`` and ``j`` does not belong to premise ``i``. The authors' code
    compares with ``>`` and may mask a premise's own contradiction; the equation does neither.

    Args:
        guide_cosines: ``(batch, 2 * batch)`` in [-1, 1]; column ``j`` is the entailment of premise
            ``j``, column ``batch + j`` its contradiction.
        sigma: Least cosine of a false negative; above 1 nothing is masked.

    Returns:
        ``(batch, 2 * batch)`` bool, True where the candidate is to be left out. A premise's own
        entailment and own contradiction are never True.
    """
    return (guide_cosines >= sigma) & ~_own(guide_cosines)


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
        scores = scores.masked_fill(excluded & ~_own(scores), -torch.inf)
        return F.cross_entropy(scores, torch.arange(batch, device=scores.device))


def _own(scores: Tensor) -> Tensor:
    batch, pool = scores.shape
    return torch.eye(batch, dtype=torch.bool, device=scores.device).repeat(1, pool // batch)


def _cosines(left: Tensor, right: Tensor) -> Tensor:
    dtype = torch.promote_types(left.dtype, torch.float32)
    return F.normalize(left.to(dtype), dim=-1) @ F.normalize(right.to(dtype), dim=-1).T
