"""Properties of the masked contrastive loss, against a loop written straight from the paper."""

import math

import pytest
import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor

from stages.equations.contrastive_loss import (
    false_negatives,
    masked_info_nce,
    masked_nt_xent,
)

BATCH, WIDTH, TAU = 6, 8, 0.05
Batch = tuple[Tensor, Tensor, Tensor]


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(1)
    anchors, candidates = (
        torch.randn(rows, WIDTH, generator=generator, dtype=torch.float64, requires_grad=True)
        for rows in (BATCH, 2 * BATCH)
    )
    return anchors, candidates, torch.zeros(BATCH, 2 * BATCH, dtype=torch.bool)


def loop_over_the_equation(
    anchors: Tensor, candidates: Tensor, excluded: Tensor, *, alpha: float = 1.0
) -> Tensor:
    total = anchors.new_zeros(())
    for i in range(BATCH):
        terms = {}
        for j in range(len(candidates)):
            if j % BATCH != i and excluded[i, j]:
                continue
            cosine = anchors[i] @ candidates[j] / (anchors[i].norm() * candidates[j].norm())
            weight = alpha if j == BATCH + i else 1.0
            terms[j] = weight * torch.exp(cosine / TAU)
        total = total - torch.log(terms[i] / sum(terms.values()))
    return total / BATCH


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_loss_and_gradients_are_those_of_the_equation(batch: Batch, share: float) -> None:
    anchors, candidates, _ = batch
    drawn = torch.rand(BATCH, 2 * BATCH, generator=torch.Generator().manual_seed(2))
    excluded = drawn < share
    wanted = loop_over_the_equation(anchors, candidates, excluded)
    loss = masked_info_nce(anchors, candidates, excluded, tau=TAU)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    for got, expected in zip(
        torch.autograd.grad(loss, (anchors, candidates)),
        torch.autograd.grad(wanted, (anchors, candidates)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.5, 3.0])
def test_the_hard_negative_weight_multiplies_the_own_contradiction_alone(
    batch: Batch, alpha: float
) -> None:
    anchors, candidates, excluded = batch
    wanted = loop_over_the_equation(anchors, candidates, excluded, alpha=alpha)
    loss = masked_info_nce(
        anchors, candidates, excluded, tau=TAU, hard_negative_weight=math.log(alpha)
    )
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    for got, expected in zip(
        torch.autograd.grad(loss, (anchors, candidates)),
        torch.autograd.grad(wanted, (anchors, candidates)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_without_contradictions_it_is_plain_info_nce(batch: Batch) -> None:
    anchors, views, nobody = batch[0], batch[1][:BATCH], batch[2][:, :BATCH]
    wanted = loop_over_the_equation(anchors, views, nobody)
    loss = masked_info_nce(anchors, views, nobody, tau=TAU, hard_negative_weight=2.0)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)


def test_an_excluded_candidate_has_exactly_zero_gradient_and_no_influence(batch: Batch) -> None:
    anchors, candidates, excluded = batch
    excluded[1:, 0] = True  # everybody's but its own premise's
    others = anchors.detach().clone()
    others[1:] = torch.randn(BATCH - 1, WIDTH, dtype=torch.float64)
    here = torch.autograd.grad(masked_info_nce(anchors, candidates, excluded, tau=TAU), candidates)
    there = torch.autograd.grad(masked_info_nce(others, candidates, excluded, tau=TAU), candidates)
    assert torch.equal(here[0][0], there[0][0])
    assert not torch.equal(here[0][1], there[0][1])


def test_an_anchor_does_not_feel_a_candidate_excluded_for_it(batch: Batch) -> None:
    anchors, candidates, excluded = batch
    excluded[2, 3] = True
    moved = candidates.detach().clone()
    moved[3] = -moved[3]
    here = torch.autograd.grad(masked_info_nce(anchors, candidates, excluded, tau=TAU), anchors)
    there = torch.autograd.grad(masked_info_nce(anchors, moved, excluded, tau=TAU), anchors)
    assert torch.equal(here[0][2], there[0][2])
    assert not torch.equal(here[0][1], there[0][1])


def test_without_a_mask_it_is_multiple_negatives_ranking_with_hard_negatives(batch: Batch) -> None:
    anchors, candidates, _ = batch
    reference = MultipleNegativesRankingLoss(torch.nn.Identity(), scale=1 / TAU)  # type: ignore[arg-type]
    columns = [anchors, candidates[:BATCH], candidates[BATCH:]]
    wanted = reference.compute_loss_from_embeddings(columns, torch.zeros(BATCH))
    excluded = false_negatives(torch.ones(BATCH, 2 * BATCH), sigma=1.01)
    loss = masked_info_nce(anchors, candidates, excluded, tau=TAU)
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_with_all_others_masked_it_is_a_choice_between_own_two(
    batch: Batch, dtype: torch.dtype
) -> None:
    anchors, candidates = batch[0].detach().to(dtype), batch[1].detach().to(dtype)
    loss = masked_info_nce(anchors, candidates, torch.ones(BATCH, 2 * BATCH).bool(), tau=TAU)
    cosine = torch.nn.functional.cosine_similarity
    near = cosine(anchors.double(), candidates[:BATCH].double())
    far = cosine(anchors.double(), candidates[BATCH:].double())
    wanted = torch.log1p(torch.exp((far - near) / TAU)).mean()
    assert math.isfinite(loss.item())
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_bfloat16_autocast_does_not_reach_the_cosines(batch: Batch) -> None:
    anchors, candidates, excluded = batch[0].float(), batch[1].float(), batch[2]
    plain = masked_info_nce(anchors, candidates, excluded, tau=TAU)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert masked_info_nce(anchors, candidates, excluded, tau=TAU).item() == plain.item()


def test_cosines_from_sigma_on_are_masked_and_smaller_ones_are_not() -> None:
    cosines = torch.tensor([[0.0, 0.9, 0.0, 0.95], [0.89, 0.0, -0.9, 0.0]])
    assert false_negatives(cosines, sigma=0.9).tolist() == [
        [False, True, False, True],
        [False, False, False, False],
    ]


def test_own_entailment_and_own_contradiction_are_never_masked() -> None:
    masked = false_negatives(torch.ones(3, 6), sigma=0.9)
    own = torch.eye(3, dtype=torch.bool)
    assert torch.equal(masked, ~torch.cat([own, own], dim=1))


def test_hiding_exact_copies_of_a_pair_only_makes_them_weigh_more(batch: Batch) -> None:
    """Where nothing tells copies apart, what pushes one away pulls another closer.

    A batch of copies that have nothing of their own but a contradiction. With s the pair's cosine
    over tau and R the sum over all contradictions, the gradient with the mask is that without it
    times (BATCH * exp(s) + R) / (exp(s) + R).
    """
    anchors, candidates, shown = batch
    pair, entailment = anchors[0], candidates[0]
    contradictions = candidates[BATCH:]
    hidden = shown.clone()
    hidden[:, :BATCH] = True

    def gradients(excluded: Tensor) -> tuple[Tensor, ...]:
        pool = torch.cat([entailment.expand(BATCH, -1), contradictions])
        loss = masked_info_nce(pair.expand(BATCH, -1), pool, excluded, tau=TAU)
        return torch.autograd.grad(loss, (pair, entailment, contradictions))

    own = (torch.cosine_similarity(pair, entailment, dim=0) / TAU).exp()
    rest = (torch.cosine_similarity(pair[None], contradictions) / TAU).exp().sum()
    weight = (BATCH * own + rest) / (own + rest)
    for with_mask, without in zip(gradients(hidden), gradients(shown), strict=True):
        torch.testing.assert_close(with_mask, weight * without)


def test_a_mask_of_another_shape_is_a_wrong_call(batch: Batch) -> None:
    anchors, candidates, _ = batch
    with pytest.raises(ValueError, match="6 anchors need 6 or 12 candidates"):
        masked_info_nce(anchors, candidates, torch.zeros(BATCH, BATCH).bool(), tau=TAU)
    with pytest.raises(ValueError, match="not 9 and"):
        masked_info_nce(anchors, candidates[:9], torch.zeros(BATCH, 9).bool(), tau=TAU)


def columns_of(batch: Batch) -> list[Tensor]:
    """Return premises, entailments and contradictions."""
    anchors, candidates, _ = batch
    return [anchors, *candidates.split(BATCH)]


def loop_over_pairs(columns: list[Tensor], excluded: Tensor, *, alpha: float = 1.0) -> Tensor:
    """Return the loss of every premise and entailment among all other sentences, one by one."""
    sentences = torch.cat(columns)
    total = sentences.new_zeros(())
    for i in range(2 * BATCH):
        partner = (i + BATCH) % (2 * BATCH)
        terms = {}
        for j in range(len(sentences)):
            foreign = j % BATCH != i % BATCH
            if j == i or (foreign and excluded[i, j]):
                continue
            cosine = sentences[i] @ sentences[j] / (sentences[i].norm() * sentences[j].norm())
            weight = alpha if j >= 2 * BATCH and not foreign else 1.0
            terms[j] = weight * torch.exp(cosine / TAU)
        total = total - torch.log(terms[partner] / sum(terms.values()))
    return total / (2 * BATCH)


@pytest.mark.parametrize("kinds", [2, 3])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_pairs_look_for_each_other_among_all_sentences(
    batch: Batch, share: float, kinds: int
) -> None:
    columns = columns_of(batch)[:kinds]
    drawn = torch.rand(2 * BATCH, kinds * BATCH, generator=torch.Generator().manual_seed(2))
    excluded = drawn < share
    wanted = loop_over_pairs(columns, excluded, alpha=3.0)
    loss = masked_nt_xent(columns, excluded, tau=TAU, hard_negative_weight=math.log(3.0))
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-12)
    for got, expected in zip(
        torch.autograd.grad(loss, columns), torch.autograd.grad(wanted, columns), strict=True
    ):
        torch.testing.assert_close(got, expected, rtol=1e-10, atol=1e-12)


def test_in_pairs_it_does_not_matter_who_is_the_premise(batch: Batch) -> None:
    premises, entailments, contradictions = columns_of(batch)
    nobody = torch.zeros(2 * BATCH, 3 * BATCH, dtype=torch.bool)
    here = masked_nt_xent([premises, entailments, contradictions], nobody, tau=TAU)
    there = masked_nt_xent([entailments, premises, contradictions], nobody, tau=TAU)
    assert here.item() == pytest.approx(there.item(), rel=1e-12)


def test_in_pairs_the_mask_covers_every_kind_of_foreign_sentence() -> None:
    masked = false_negatives(torch.ones(6, 9), sigma=0.9, batch=3)
    assert torch.equal(masked, ~torch.eye(3, dtype=torch.bool).repeat(2, 3))


def test_columns_of_unequal_length_are_a_wrong_call(batch: Batch) -> None:
    columns = columns_of(batch)
    nobody = torch.zeros(2 * BATCH, 3 * BATCH, dtype=torch.bool)
    for wrong in (columns[:2], [*columns[:2], columns[2][:-1]]):
        with pytest.raises(ValueError, match="sentences each need a mask of 12 rows"):
            masked_nt_xent(wrong, nobody, tau=TAU)
