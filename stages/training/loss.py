"""The objectives: from the vectors of a batch and the numbers of its triplets to one number."""

from collections.abc import Sequence

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.equations.contrastive_loss import (
    false_negatives,
    masked_info_nce,
    masked_nt_xent,
)
from stages.tables.columns import TEXTS
from stages.training.guide import GuideVectors

ENCODED = {
    "masked": TEXTS,
    "supervised": TEXTS,
    "unsupervised": ("premise", "premise"),
}
"""What each objective encodes: a premise's two vectors differ by dropout alone (SimCSE)."""


class MaskedLoss(torch.nn.Module):
    """In-batch contrastive loss that leaves out what the guide takes for a paraphrase.

    The guide's vectors are looked up by the numbers of the triplets, so a step costs one small
    matrix product more than without a mask.

    Args:
        model: The encoder that learns. (The trainer looks for it under this name.)
        guide: Vectors of the same triplets, in the same order; None masks nothing, which is the
            objective `supervised`, and for a premise's two views `unsupervised`.
        sigma: Guide cosine from which a foreign candidate is masked; above 1 is off.
        tau: Temperature of the loss.
        hard_negative_weight: Logarithm of the weight of a premise's own contradiction.
        anchors: Who looks for its partner: `premises` among all entailments and contradictions, or
            the sentences of all `pairs` among all others.
    """

    def __init__(
        self,
        model: SentenceTransformer,
        *,
        guide: GuideVectors | None,
        sigma: float,
        tau: float,
        hard_negative_weight: float = 0.0,
        anchors: str = "premises",
    ) -> None:
        super().__init__()
        self.model = model
        self.guide = guide
        self.sigma = sigma
        self.tau = tau
        self.hard_negative_weight = hard_negative_weight
        self.anchors = anchors
        self.masked_pairs = 0
        """Pairs of a premise and a foreign candidate masked in the last batch."""
        self.masked_ratio = 0.0
        """Their share of all such pairs, in [0, 1]."""

    def forward(self, vectors: Sequence[Tensor], labels: Tensor) -> Tensor:
        """Return the mean loss of one batch.

        Args:
            vectors: Premises, entailments and contradictions, ``(batch, width)`` each; or premises
                and their second views.
            labels: ``(batch,)`` int64, numbers of the triplets.
        """
        by_pairs = self.anchors == "pairs"
        excluded = self._excluded(labels, by_pairs=by_pairs, columns=len(vectors))
        own = excluded.numel() // len(labels)
        self.masked_pairs = int(excluded.sum().item())
        self.masked_ratio = self.masked_pairs / max(1, excluded.numel() - own)
        dials = {"tau": self.tau, "hard_negative_weight": self.hard_negative_weight}
        if by_pairs:
            return masked_nt_xent(vectors, excluded, **dials)
        premises, *others = vectors
        return masked_info_nce(premises, torch.cat(others), excluded, **dials)

    def _excluded(self, labels: Tensor, *, by_pairs: bool, columns: int) -> Tensor:
        """Return what the guide hides: a row an anchor, a column a sentence it could choose."""
        batch = len(labels)
        if self.guide is None:
            rows, pool = (2, columns) if by_pairs else (1, columns - 1)
            shape = rows * batch, pool * batch
            return torch.zeros(shape, dtype=torch.bool, device=labels.device)
        cosines = self.guide.cosines_of_pairs if by_pairs else self.guide.cosines
        return false_negatives(cosines(labels), sigma=self.sigma, batch=batch)
