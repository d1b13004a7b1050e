"""From token ids and triplet numbers to the equation."""

from pathlib import Path

import polars as pl
import pytest
import torch
from torch import Tensor

from stages.encoders.embedding import embed, load_encoder
from stages.equations.contrastive_loss import (
    false_negatives,
    masked_info_nce,
    masked_nt_xent,
)
from stages.tables.columns import TEXTS
from stages.training.guide import GuideVectors
from stages.training.loss import MaskedLoss

ROWS = [3, 30, 11, 12]


@pytest.fixture
def columns(tiny: Path, triplets: pl.DataFrame) -> list[Tensor]:
    """Vectors of premises, entailments and contradictions."""
    encoder = load_encoder(tiny)
    texts = [triplets[name].gather(ROWS).to_list() for name in TEXTS]
    return [torch.tensor(embed(encoder, column, batch_sentences=8)) for column in texts]


@pytest.mark.parametrize("sigma", [0.6, 0.9, 1.1])
def test_it_is_the_equation_on_the_batch_the_labels_name(
    tiny: Path, guide: GuideVectors, columns: list[Tensor], sigma: float
) -> None:
    loss = MaskedLoss(
        load_encoder(tiny), guide=guide, sigma=sigma, tau=0.1, hard_negative_weight=0.7
    )
    excluded = false_negatives(guide.cosines(torch.tensor(ROWS)), sigma=sigma)
    wanted = masked_info_nce(
        columns[0], torch.cat(columns[1:]), excluded, tau=0.1, hard_negative_weight=0.7
    )
    assert loss(columns, torch.tensor(ROWS)).item() == pytest.approx(wanted.item())
    assert loss.masked_pairs == excluded.sum().item()
    assert loss.masked_ratio == pytest.approx(loss.masked_pairs / (4 * 6))


@pytest.mark.parametrize("sigma", [0.6, 0.9, 1.1])
def test_in_pairs_the_guide_looks_at_all_sentences_of_the_batch(
    tiny: Path, guide: GuideVectors, columns: list[Tensor], sigma: float
) -> None:
    loss = MaskedLoss(load_encoder(tiny), guide=guide, sigma=sigma, tau=0.1, anchors="pairs")
    own = torch.nn.functional.normalize(torch.cat(columns), dim=-1)  # the guide is the encoder
    cosines = own[: 2 * len(ROWS)] @ own.T
    same = torch.eye(len(ROWS), dtype=torch.bool).repeat(2, 3)
    excluded = (cosines >= sigma) & ~same
    wanted = masked_nt_xent(columns, excluded, tau=0.1)
    assert loss(columns, torch.tensor(ROWS)).item() == pytest.approx(wanted.item())
    assert loss.masked_pairs == excluded.sum().item()
    assert loss.masked_ratio == pytest.approx(loss.masked_pairs / (8 * 12 - 8 * 3))


def test_the_masked_share_runs_from_none_to_all_foreign_candidates(
    tiny: Path, guide: GuideVectors, columns: list[Tensor]
) -> None:
    for anchors, foreign in (("premises", 4 * 6), ("pairs", 8 * 9)):
        for sigma, share in ((1.1, 0.0), (-0.99, 1.0)):
            loss = MaskedLoss(
                load_encoder(tiny), guide=guide, sigma=sigma, tau=0.1, anchors=anchors
            )
            loss(columns, torch.tensor(ROWS))
            assert loss.masked_ratio == share
            assert loss.masked_pairs == share * foreign


def test_without_a_guide_nothing_is_masked(tiny: Path, columns: list[Tensor]) -> None:
    loss = MaskedLoss(load_encoder(tiny), guide=None, sigma=-0.99, tau=0.1)
    nobody = torch.zeros(4, 8, dtype=torch.bool)
    wanted = masked_info_nce(columns[0], torch.cat(columns[1:]), nobody, tau=0.1)
    assert loss(columns, torch.tensor(ROWS)).item() == wanted.item()
    assert loss.masked_pairs == 0


def test_two_views_of_the_premises_are_candidates_without_hard_negatives(
    tiny: Path, columns: list[Tensor]
) -> None:
    loss = MaskedLoss(load_encoder(tiny), guide=None, sigma=0.9, tau=0.1)
    views = [columns[0], columns[0] + 0.1]
    wanted = torch.nn.functional.cross_entropy(
        torch.nn.functional.cosine_similarity(views[0][:, None], views[1][None], dim=-1) / 0.1,
        torch.arange(4),
    )
    assert loss(views, torch.tensor(ROWS)).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_the_guide_is_no_part_of_what_learns(tiny: Path, guide: GuideVectors) -> None:
    encoder = load_encoder(tiny)
    loss = MaskedLoss(encoder, guide=guide, sigma=0.9, tau=0.1)
    assert {id(p) for p in loss.parameters()} == {id(p) for p in encoder.parameters()}
