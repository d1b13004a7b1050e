"""The gradient of a step is that of the whole batch, however little of it is in memory at once."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.encoders.embedding import load_encoder
from stages.tables.columns import TEXTS
from stages.training.batches import Batch, Collator
from stages.training.guide import GuideVectors
from stages.training.loss import MaskedLoss
from stages.training.steps import RandomState, Stepper

BATCH = 24


@pytest.fixture
def encoder(tiny: Path) -> SentenceTransformer:
    return load_encoder(tiny).train()


@pytest.fixture
def loss(encoder: SentenceTransformer, guide: GuideVectors) -> MaskedLoss:
    return MaskedLoss(encoder, guide=guide, sigma=0.9, tau=0.05)


@pytest.fixture
def rows(triplets: pl.DataFrame) -> list[dict[str, object]]:
    return [{**row, "label": n} for n, row in enumerate(triplets.head(BATCH).to_dicts())]


def batch_of(encoder: SentenceTransformer, rows: list[dict[str, object]], group: int) -> Batch:
    return Collator(encoder.preprocess, TEXTS, group, 16)(rows)["batch"]


def gradients(encoder: SentenceTransformer) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}
    encoder.zero_grad()
    return found


def assert_equal(got: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float) -> None:
    assert got.keys() == wanted.keys()
    scale = max(gradient.abs().max() for gradient in wanted.values())
    for name, gradient in wanted.items():
        assert (got[name] - gradient).abs().max() <= tolerance * scale, name


@pytest.mark.parametrize("replay", [False, True])
def test_without_dropout_it_is_the_gradient_of_three_columns_encoded_whole(
    encoder: SentenceTransformer, loss: MaskedLoss, rows: list[dict[str, object]], replay: bool
) -> None:
    encoder.eval()
    texts = [[str(row[name]) for row in rows] for name in TEXTS]
    vectors = [encoder(encoder.preprocess(text))["sentence_embedding"] for text in texts]
    wanted_loss = loss(vectors, torch.arange(BATCH))
    wanted_loss.backward()
    wanted = gradients(encoder)
    got = Stepper(encoder, loss, columns=3, replay=replay).backward(batch_of(encoder, rows, 10))
    assert got.item() == pytest.approx(wanted_loss.item(), abs=1e-5)
    assert_equal(gradients(encoder), wanted, 1e-5)


def test_gradcache_has_the_gradient_of_the_plain_batch_dropout_included(
    encoder: SentenceTransformer, loss: MaskedLoss, rows: list[dict[str, object]]
) -> None:
    batch = batch_of(encoder, rows, 10)
    torch.manual_seed(5)
    groups = [encoder(dict(group))["sentence_embedding"] for group in batch.groups]
    vectors = torch.empty(3 * BATCH, 32).index_copy(0, batch.places, torch.cat(groups))
    wanted_loss = loss(vectors.view(3, BATCH, 32).unbind(), batch.rows)
    wanted_loss.backward()
    wanted = gradients(encoder)
    after = torch.rand(1)
    for replay in (False, True):
        torch.manual_seed(5)
        got = Stepper(encoder, loss, columns=3, replay=replay).backward(batch)
        assert got.item() == pytest.approx(wanted_loss.item(), abs=1e-6)
        assert_equal(gradients(encoder), wanted, 1e-6)
        assert torch.equal(torch.rand(1), after)  # both draw as often
    torch.manual_seed(6)
    assert loss(vectors.view(3, BATCH, 32).unbind(), batch.rows) == wanted_loss
    assert Stepper(encoder, loss, columns=3).backward(batch).item() != wanted_loss.item()


def test_a_premise_seen_twice_has_two_vectors_through_dropout(
    encoder: SentenceTransformer, rows: list[dict[str, object]]
) -> None:
    seen: list[tuple[Tensor, ...]] = []

    def keep(vectors: tuple[Tensor, ...], labels: Tensor) -> Tensor:
        seen.append(vectors)
        return torch.stack(vectors).sum()

    batch = Collator(encoder.preprocess, ("premise", "premise"), 10, 16)(rows)["batch"]
    Stepper(encoder, keep, columns=2, replay=True).backward(batch)
    first, second = seen[0]
    assert first.shape == second.shape == (BATCH, 32)
    assert (first - second).abs().amax(dim=1).min() > 0
    near = torch.nn.functional.cosine_similarity(first[:, None], second[None], dim=-1)
    assert near.diagonal().mean() > near.mean()


def test_bfloat16_autocast_keeps_float32_gradients_near_the_exact_ones(
    encoder: SentenceTransformer, loss: MaskedLoss, rows: list[dict[str, object]]
) -> None:
    encoder.eval()
    batch = batch_of(encoder, rows, 10)
    exact = Stepper(encoder, loss, columns=3)
    wanted_loss, wanted = exact.backward(batch).item(), gradients(encoder)
    for replay in (False, True):
        half = replace(exact, dtype=torch.bfloat16, replay=replay)
        assert half.backward(batch).item() == pytest.approx(wanted_loss, rel=0.05)
        got = gradients(encoder)
        assert {gradient.dtype for gradient in got.values()} == {torch.float32}
        assert_equal(got, wanted, 0.2)


def test_a_replay_draws_the_same_and_leaves_no_trace() -> None:
    state = RandomState(torch.device("cpu"))
    first, later = torch.rand(3), torch.rand(3)
    with state.replayed():
        assert torch.equal(torch.rand(3), first)
    torch.manual_seed(0)
    with state.replayed():
        assert torch.equal(torch.rand(3), first)
        assert torch.equal(torch.rand(3), later)
    fresh = torch.Generator().manual_seed(0)
    assert torch.equal(torch.rand(3), torch.rand(3, generator=fresh))
