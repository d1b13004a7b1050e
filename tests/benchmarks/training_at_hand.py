"""Training steps of this project and of sentence-transformers, on the same sentences and models."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import polars as pl
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor

from stages.encoders.embedding import load_encoder
from stages.tables.columns import TEXTS
from stages.training.batches import Collator
from stages.training.guide import GuideVectors, write_guide_vectors
from stages.training.loss import MaskedLoss
from stages.training.steps import Stepper
from stages.training.trainer import GROUP_SENTENCES

MAX_TOKENS = 64
Row = dict[str, object]
PeerLoss = Callable[[list[dict[str, Tensor]], Tensor], Tensor]


def rows_of(sentences: list[str], triplets: int) -> list[Row]:
    """Make triplets of sentences as they come; what they mean costs no time."""
    chosen = [sentences[n % len(sentences)] for n in range(3 * triplets)]
    return [
        {"label": n, **dict(zip(TEXTS, chosen[3 * n : 3 * n + 3], strict=True))}
        for n in range(triplets)
    ]


class Seconds(NamedTuple):
    """By the clock, and of all threads' work, which neighbours on the machine do not lengthen."""

    wall: float
    busy: float


class Learner:
    """An encoder with its optimiser; a step is what a trainer does with one batch."""

    def __init__(self, folder: Path) -> None:
        self.encoder: SentenceTransformer = load_encoder(folder).train()
        self._optimizer = torch.optim.AdamW(self.encoder.parameters(), lr=1e-6, fused=True)

    def timed(self, backward: Callable[[], object]) -> Seconds:
        """Return what one step costs whose gradient ``backward`` brings."""
        start, busy = time.perf_counter(), time.process_time()
        backward()
        torch.nn.utils.clip_grad_norm_(self.encoder.parameters(), 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Seconds(time.perf_counter() - start, time.process_time() - busy)


def our_step(
    learner: Learner, rows: list[Row], *, guide: GuideVectors | None, mini_batch: int | None = None
) -> Callable[[], Tensor]:
    """Return a step from sentences to gradients; without a guide nothing is masked."""
    group = GROUP_SENTENCES if mini_batch is None else 3 * mini_batch
    collate = Collator(learner.encoder.preprocess, TEXTS, group, MAX_TOKENS)
    loss = MaskedLoss(learner.encoder, guide=guide, sigma=0.9, tau=0.05)
    stepper = Stepper(learner.encoder, loss, columns=3, replay=mini_batch is not None)
    return lambda: stepper.backward(collate(rows)["batch"])


def their_step(learner: Learner, rows: list[Row], loss: PeerLoss) -> Callable[[], object]:
    """Return the same for a loss of sentence-transformers: a column is padded to its longest."""
    texts = [[str(row[name]) for row in rows] for name in TEXTS]

    def backward() -> None:
        features = [learner.encoder.preprocess(text, max_length=MAX_TOKENS) for text in texts]
        loss(features, torch.arange(len(rows))).backward()

    return backward


def guide_vectors(guide: Path, rows: list[Row], folder: Path) -> GuideVectors:
    """Ask the guide once for all sentences, as stage `train` does before the first step."""
    texts = pl.DataFrame({name: [str(row[name]) for row in rows] for name in TEXTS})
    return write_guide_vectors(folder, lambda: load_encoder(guide), texts)
