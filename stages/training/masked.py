"""Which pairs the guide hides from one another, and how many of them meet in a batch."""

from collections.abc import Callable
from dataclasses import dataclass

import polars as pl
import torch

from stages.equations.contrastive_loss import false_negatives
from stages.tables.columns import WRITTEN
from stages.training.guide import GuideVectors

BLOCK_COSINES = 2**25
"""Cosines looked at at once: 128 MiB."""
MOST_BATCHES = 500


@dataclass(frozen=True)
class MaskedPairs:
    """What the guide takes for false negatives.

    Attributes:
        pairs: premise (number of its triplet), candidate (number of the triplet it comes from),
            column (entailment or contradiction), cosine; the greatest cosine first.
        greatest: Greatest cosine of a premise and somebody else's candidate, -1 without any.
    """

    pairs: pl.DataFrame
    greatest: float


def masked_pairs(
    guide: GuideVectors, *, sigma: float, advance: Callable[[int], None] = lambda _: None
) -> MaskedPairs:
    """Hold every premise against every candidate of the other triplets.

    Args:
        guide: Vectors of the corpus.
        sigma: Least cosine of a pair.
        advance: Told how many premises are done.
    """
    triplets = len(guide)
    everyone = torch.arange(triplets)
    greatest = -1.0
    found = []
    rows = max(1, BLOCK_COSINES // (2 * triplets))
    for block in everyone.split(rows):
        cosines = guide.cosines_between(block, everyone)
        within = torch.arange(len(block))
        for own in (block, block + triplets):
            cosines[within, own] = -torch.inf
        greatest = max(greatest, cosines.max().item())
        premise, candidate = (cosines >= sigma).nonzero(as_tuple=True)
        found.append(_table(block[premise], candidate, cosines[premise, candidate], triplets))
        advance(len(block))
    pairs = pl.concat(found).sort("cosine", descending=True, maintain_order=True)
    return MaskedPairs(pairs, greatest)


def masked_share(guide: GuideVectors, *, sigma: float, batch: int, seed: int) -> tuple[float, int]:
    """Return the share of foreign candidates hidden in random batches, and how many were drawn.

    Args:
        guide: Vectors of the corpus.
        sigma: Least cosine of a false negative.
        batch: Triplets a batch; at least 2, and at most the corpus is taken.
        seed: Of the draw.

    Returns:
        The share in [0, 1]; up to MOST_BATCHES batches that cover the corpus once.
    """
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(guide), generator=generator)
    whole = [rows for rows in order.split(batch) if len(rows) == min(batch, len(guide))]
    drawn = whole[:MOST_BATCHES]
    hidden = sum(
        int(false_negatives(guide.cosines(rows), sigma=sigma).sum().item()) for rows in drawn
    )
    foreign = sum(len(rows) * (2 * len(rows) - 2) for rows in drawn)
    return (hidden / foreign if foreign else 0.0), len(drawn)


def _table(
    premise: torch.Tensor, candidate: torch.Tensor, cosine: torch.Tensor, triplets: int
) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "premise": premise.numpy(),
            "candidate": (candidate % triplets).numpy(),
            "column": pl.Series(
                [WRITTEN[place] for place in (candidate // triplets).tolist()], dtype=pl.String
            ),
            "cosine": cosine.numpy(),
        }
    )
