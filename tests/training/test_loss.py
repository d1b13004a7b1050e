"""From token ids and triplet numbers to the equation."""

from pathlib import Path

import polars as pl
import pytest
import torch

from stages.encoders.embedding import load_encoder
from stages.equations.contrastive_loss import false_negatives, masked_info_nce
from stages.training.guide import GuideVectors
from stages.training.loss import MaskedLoss
from stages.training.trainer import COLUMNS

ROWS = [3, 30, 11, 12]


@pytest.mark.parametrize("sigma", [0.6, 0.9, 1.1])
def test_it_is_the_equation_on_the_batch_the_labels_name(
    tiny: Path, guide: GuideVectors, triplets: pl.DataFrame, sigma: float
) -> None:
    encoder = load_encoder(tiny).eval()
    loss = MaskedLoss(encoder, guide=guide, sigma=sigma, tau=0.1)
    features = [encoder.preprocess(triplets[name].gather(ROWS).to_list()) for name in COLUMNS]
    premises, entailments, contradictions = (
        encoder(dict(column))["sentence_embedding"] for column in features
    )
    excluded = false_negatives(guide.cosines(torch.tensor(ROWS)), sigma=sigma)
    wanted = masked_info_nce(premises, torch.cat([entailments, contradictions]), excluded, tau=0.1)
    assert loss(features, torch.tensor(ROWS)).item() == pytest.approx(wanted.item())
    assert loss.masked_ratio == pytest.approx(excluded.sum().item() / (4 * 6))


def test_the_masked_share_runs_from_none_to_all_foreign_candidates(
    tiny: Path, guide: GuideVectors, triplets: pl.DataFrame
) -> None:
    encoder = load_encoder(tiny)
    features = [encoder.preprocess(triplets[name].gather(ROWS).to_list()) for name in COLUMNS]
    for sigma, share in ((1.1, 0.0), (-0.99, 1.0)):
        loss = MaskedLoss(encoder, guide=guide, sigma=sigma, tau=0.1)
        loss([dict(column) for column in features], torch.tensor(ROWS))
        assert loss.masked_ratio == share


def test_the_guide_is_no_part_of_what_learns(tiny: Path, guide: GuideVectors) -> None:
    encoder = load_encoder(tiny)
    loss = MaskedLoss(encoder, guide=guide, sigma=0.9, tau=0.1)
    assert {id(p) for p in loss.parameters()} == {id(p) for p in encoder.parameters()}
