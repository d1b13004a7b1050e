"""Stage 3 against sentence-transformers' guided losses, side by side in one run."""

from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    CachedGISTEmbedLoss,
    GISTEmbedLoss,
    gist_embed,
)
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from transformers import BertTokenizer

from stages.encoders.embedding import load_encoder
from stages.equations.contrastive_loss import false_negatives, masked_info_nce
from tests.benchmarks.conftest import ROUNDS, Figure, ratio_of_medians, sized
from tests.benchmarks.training_at_hand import (
    Learner,
    guide_vectors,
    our_step,
    rows_of,
    their_step,
)

pytestmark = pytest.mark.benchmarks


def test_a_masked_step(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """256 triplets a step (quickly: 128), MiniLM guided by MiniLM, float32; text to new weights."""
    rows = rows_of(premises, sized(256))
    base, guide = real_models["base"], real_models["guide"]
    vectors = guide_vectors(guide, rows, tmp_path / "guide")
    learner, peer = Learner(base), Learner(base)
    masked = our_step(learner, rows, guide=vectors)
    unmasked = our_step(learner, rows, guide=None)
    loss = GISTEmbedLoss(peer.encoder, load_encoder(guide))
    gist = their_step(peer, rows, loss)
    our_step(learner, rows[:64], guide=vectors)()
    their_step(peer, rows[:64], loss)()
    ours, overheads, theirs = [], [], []

    def once() -> None:
        # In turns, so that a busy neighbour slows all sides alike.
        one, other = learner.timed(masked), learner.timed(unmasked)
        ours.append(one.wall)
        overheads.append(one.busy / other.busy)
        theirs.append(peer.timed(gist).wall)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = (
        f"sentence-transformers GISTEmbedLoss, the guide asked in every step, {len(rows)} triplets"
    )
    speedup = ratio_of_medians(theirs, ours)
    figure("train.speedup_vs_gist", speedup, unit="x", against=against, rounds=ROUNDS)
    against = f"the same step without a mask, {len(rows)} triplets, processor seconds"
    overhead = median(overheads)
    figure("train.guide_overhead", overhead, unit="1", against=against, rounds=ROUNDS)
    rate = len(rows) / median(ours)
    figure("train.triplets_per_second", rate, unit="1/s", against="-", rounds=ROUNDS)


def test_a_gradcache_step(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """512 triplets a step (quickly: 256), 32 at once, MiniLM guided by MiniLM, float32."""
    rows = rows_of(premises, sized(512))
    base, guide = real_models["base"], real_models["guide"]
    vectors = guide_vectors(guide, rows, tmp_path / "guide")
    learner, peer = Learner(base), Learner(base)
    cached = our_step(learner, rows, guide=vectors, mini_batch=32)
    loss = CachedGISTEmbedLoss(peer.encoder, load_encoder(guide), mini_batch_size=32)
    gist = their_step(peer, rows, loss)
    our_step(learner, rows[:64], guide=vectors, mini_batch=32)()
    their_step(peer, rows[:64], loss)()
    ours, theirs = [], []

    def once() -> None:
        ours.append(learner.timed(cached).wall)
        theirs.append(peer.timed(gist).wall)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = f"sentence-transformers CachedGISTEmbedLoss, {len(rows)} triplets, mini-batch 32"
    speedup = ratio_of_medians(theirs, ours)
    figure("train.speedup_vs_cached_gist", speedup, unit="x", against=against, rounds=ROUNDS)


def test_the_memory_of_the_loss(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> None:
    """512 triplets of width 384, forward and backward; embeddings of encoder and guide are given.

    Counted is what torch allocates on the way, at its peak, beyond the embeddings themselves.
    """
    drawn = torch.Generator().manual_seed(0)
    vectors, guide = (
        [torch.randn(512, 384, generator=drawn, requires_grad=grad) for _ in range(3)]
        for grad in (True, False)
    )
    answers = iter((vectors, guide))
    monkeypatch.setattr(gist_embed, "embed_columns", lambda *_: next(answers))
    asked: list[Any] = [SentenceTransformer(modules=[_Tokenizing()]) for _ in range(2)]
    gist = GISTEmbedLoss(model=asked[0], guide=asked[1])
    ours = peak_bytes(lambda: _masked(vectors, guide).backward())
    theirs = peak_bytes(lambda: gist([{}, {}, {}], torch.zeros(512)).backward())
    against = "sentence-transformers GISTEmbedLoss, 512 triplets, width 384, embeddings given"
    figure("train.loss_memory_ratio", ours / theirs, unit="1", against=against, rounds=1)


class _Tokenizing(torch.nn.Module):
    """All that the peer's loss asks of an encoder when its vectors are given."""

    tokenizer = BertTokenizer(vocab={"[PAD]": 0, "[UNK]": 1})
    max_seq_length = 8


def _masked(vectors: list[Tensor], guide: list[Tensor]) -> Tensor:
    premises, *candidates = (torch.nn.functional.normalize(column, dim=-1) for column in guide)
    excluded = false_negatives(premises @ torch.cat(candidates).T, sigma=0.9)
    return masked_info_nce(vectors[0], torch.cat(vectors[1:]), excluded, tau=0.05)


def peak_bytes(work: Callable[[], object]) -> int:
    """Return how many bytes torch holds more than before, at the worst moment of ``work``."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        work()
    recorder: Any = profiled.profiler
    events = recorder.kineto_results.events()
    moves = [event for event in events if event.name() == "[memory]"]
    moves.sort(key=lambda event: event.start_ns())
    return max(accumulate(int(event.nbytes()) for event in moves))
