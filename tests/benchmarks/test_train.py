"""Stage 3 against sentence-transformers' guided losses, side by side in one run."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from sentence_transformers.sentence_transformer.losses import CachedGISTEmbedLoss, GISTEmbedLoss

from stages.encoders.embedding import load_encoder
from tests.benchmarks.conftest import Figure, ratio_of_medians
from tests.benchmarks.training_at_hand import (
    Learner,
    guide_vectors,
    our_step,
    rows_of,
    their_step,
)

pytestmark = pytest.mark.benchmarks

ROUNDS = 3


def test_a_masked_step(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """256 triplets a step, MiniLM guided by MiniLM, float32; from sentences to new weights."""
    rows = rows_of(premises, 256)
    base, guide = real_models["base"], real_models["guide"]
    vectors = guide_vectors(guide, rows, tmp_path / "guide.npy")
    learner, peer = Learner(base), Learner(base)
    masked = our_step(learner, rows, guide=vectors)
    unmasked = our_step(learner, rows, guide=None)
    gist = their_step(peer, rows, GISTEmbedLoss(peer.encoder, load_encoder(guide)))
    for warm_up in (masked, gist):
        warm_up()
    ours, plain, theirs = [], [], []

    def once() -> None:
        # In turns, so that a busy neighbour slows all sides alike.
        ours.append(learner.timed(masked))
        plain.append(learner.timed(unmasked))
        theirs.append(peer.timed(gist))

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "sentence-transformers GISTEmbedLoss, the guide asked in every step, 256 triplets"
    speedup = ratio_of_medians(theirs, ours)
    figure("train.speedup_vs_gist", speedup, unit="x", against=against, rounds=ROUNDS)
    against = "the same step without a mask, 256 triplets"
    # Round by round: the two differ by less than a busy machine does from round to round.
    overhead = median(one / other for one, other in zip(ours, plain, strict=True))
    figure("train.guide_overhead", overhead, unit="1", against=against, rounds=ROUNDS)
    rate = 256 / median(ours)
    figure("train.triplets_per_second", rate, unit="1/s", against="-", rounds=ROUNDS)


def test_a_gradcache_step(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """512 triplets a step, 32 at once, MiniLM guided by MiniLM, float32."""
    rows = rows_of(premises, 512)
    base, guide = real_models["base"], real_models["guide"]
    vectors = guide_vectors(guide, rows, tmp_path / "guide.npy")
    learner, peer = Learner(base), Learner(base)
    cached = our_step(learner, rows, guide=vectors, mini_batch=32)
    loss = CachedGISTEmbedLoss(peer.encoder, load_encoder(guide), mini_batch_size=32)
    gist = their_step(peer, rows, loss)
    our_step(learner, rows[:64], guide=vectors, mini_batch=32)()
    their_step(peer, rows[:64], loss)()
    ours, theirs = [], []

    def once() -> None:
        ours.append(learner.timed(cached))
        theirs.append(peer.timed(gist))

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "sentence-transformers CachedGISTEmbedLoss, 512 triplets, mini-batch 32"
    speedup = ratio_of_medians(theirs, ours)
    figure("train.speedup_vs_cached_gist", speedup, unit="x", against=against, rounds=ROUNDS)


def test_the_memory_of_the_loss(figure: Figure) -> None:
    """512 triplets of width 384, forward and backward; what the process grows by, embeddings apart.

    Both sides are given embeddings of encoder and guide, so that only the losses differ.
    """
    ours, theirs = (grown_mebibytes(which) for which in ("masked", "gist"))
    against = "sentence-transformers GISTEmbedLoss, 512 triplets, width 384, embeddings given"
    figure("train.loss_memory_ratio", ours / theirs, unit="1", against=against, rounds=1)


PROGRAM = """
import resource, sys
import torch
from sentence_transformers.sentence_transformer.losses import gist_embed
from stages.equations.contrastive_loss import false_negatives, masked_info_nce

def masked(vectors, guide):
    cosines = guide[0] @ torch.cat(guide[1:]).T
    excluded = false_negatives(cosines, sigma=0.9)
    return masked_info_nce(vectors[0], torch.cat(vectors[1:]), excluded, tau=0.05)

def gist(vectors, guide):
    answers = iter((vectors, guide))
    gist_embed.embed_columns = lambda model, features: next(answers)
    loss = gist_embed.GISTEmbedLoss.__new__(gist_embed.GISTEmbedLoss)
    torch.nn.Module.__init__(loss)
    loss.model = loss.guide = loss.tokenizer = None
    loss.similarity_fct, loss.cross_entropy_loss = (
        torch.nn.CosineSimilarity(dim=-1), torch.nn.CrossEntropyLoss())
    loss.temperature, loss.margin, loss.margin_strategy = 0.05, 0.0, "absolute"
    loss.contrast_anchors = loss.contrast_positives = True
    loss.must_retokenize = loss.gather_across_devices = False
    return loss([{}, {}, {}], torch.zeros(len(vectors[0])))

def run(triplets):
    drawn = torch.Generator().manual_seed(0)
    vectors, guide = (
        [torch.randn(triplets, 384, generator=drawn) for _ in range(3)] for _ in range(2))
    guide = [torch.nn.functional.normalize(g, dim=-1) for g in guide]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    {"masked": masked, "gist": gist}[sys.argv[1]](
        [v.requires_grad_() for v in vectors], guide).backward()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

run(8)  # whatever is loaded at first use
print(run(512) / 1024)
"""


def grown_mebibytes(which: str) -> float:
    """Return how far the peak memory of a fresh process rises while it computes one loss."""
    command = [sys.executable, "-c", PROGRAM, which]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout))
