"""Large batches with the real MiniLM: the plain batch's gradient in little memory."""

import os
from pathlib import Path

import pytest
import torch

from stages.encoders.embedding import load_encoder
from stages.tables.columns import TEXTS
from stages.training.batches import Collator
from stages.training.loss import MaskedLoss
from stages.training.steps import Stepper
from tests.benchmarks.training_at_hand import rows_of
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.models

TRIPLETS = int(os.environ.get("TRIPLETS", "1024"))


def test_gradcache_has_the_gradient_of_a_plain_batch_dropout_included(
    real_models: dict[str, Path], premises: list[str]
) -> None:
    """Sentences are cut to 8 tokens, so that the plain batch fits into a small machine."""
    encoder = load_encoder(real_models["base"]).train()
    loss = MaskedLoss(encoder, guide=None, sigma=0.9, tau=0.05)
    rows = rows_of(premises, TRIPLETS)
    batch = Collator(encoder.preprocess, TEXTS, 96, 8)(rows)["batch"]
    found = []
    for replay in (False, True):
        torch.manual_seed(3)
        value = Stepper(encoder, loss, columns=3, replay=replay).backward(batch)
        gradients = [p.grad.clone() for p in encoder.parameters() if p.grad is not None]
        found.append((value.item(), torch.cat([gradient.flatten() for gradient in gradients])))
        encoder.zero_grad()
    (plain_loss, plain), (cached_loss, cached) = found
    assert cached_loss == pytest.approx(plain_loss, abs=1e-6)
    assert (cached - plain).abs().max() <= 1e-5 * plain.abs().max()
    assert plain.abs().max() > 0


PROGRAM = """
import sys
from pathlib import Path
from tests.benchmarks.training_at_hand import Learner, our_step, rows_of

lines = Path("data/starter/premises.tsv").read_text(encoding="utf-8").splitlines()
learner = Learner(Path(sys.argv[1]))
step = our_step(learner, rows_of([line.split("\\t")[1] for line in lines[1:]], 1024),
                guide=None, mini_batch=32)
learner.timed(step)
"""


def test_a_step_of_1024_triplets_needs_less_than_3_gibibytes(real_models: dict[str, Path]) -> None:
    """Of the whole process, optimiser included; 32 triplets go through the encoder at once."""
    assert peak_mib(PROGRAM, str(real_models["base"])) < 3 * 1024
