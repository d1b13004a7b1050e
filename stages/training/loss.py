"""The masked loss as sentence-transformers' trainer wants it: from token ids to one number."""

from collections.abc import Iterable
from typing import Any

import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.equations.contrastive_loss import false_negatives, masked_info_nce
from stages.training.guide import GuideVectors


class MaskedLoss(torch.nn.Module):
    """In-batch contrastive loss that leaves out what the guide takes for a paraphrase.

    The trainer hands over the numbers of the triplets as labels; the guide's vectors are looked up
    by them, so a step costs one small matrix product more than without a mask.

    Args:
        model: The encoder that learns. (The trainer looks for it under this name.)
        guide: Vectors of the same triplets, in the same order.
        sigma: Guide cosine from which a foreign candidate is masked; above 1 is off.
        tau: Temperature of the loss.
    """

    def __init__(
        self, model: SentenceTransformer, *, guide: GuideVectors, sigma: float, tau: float
    ) -> None:
        super().__init__()
        self.model = model
        self.guide = guide
        self.sigma = sigma
        self.tau = tau
        self.masked_ratio = 0.0
        """Share of the foreign candidates masked in the last batch, in [0, 1]."""

    def forward(self, sentence_features: Iterable[dict[str, Any]], labels: Tensor) -> Tensor:
        """Return the mean loss of one batch.

        Args:
            sentence_features: Tokenised premises, entailments and contradictions.
            labels: ``(batch,)`` int64, numbers of the triplets.
        """
        premises, *candidates = (
            self.model(features)["sentence_embedding"] for features in sentence_features
        )
        excluded = false_negatives(self.guide.cosines(labels), sigma=self.sigma)
        self.masked_ratio = _foreign_share(excluded)
        return masked_info_nce(premises, torch.cat(candidates), excluded, tau=self.tau)


def _foreign_share(excluded: Tensor) -> float:
    batch = len(excluded)
    foreign = batch * (2 * batch - 2)
    return excluded.sum().item() / foreign if foreign else 0.0
