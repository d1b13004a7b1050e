"""Stage 2 by written numbers against the released code's habit of two prompts a call."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.language_models.judging import Pair, by_generation, by_likelihood, question
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from tests.benchmarks.conftest import ROUNDS, Figure, ratio_of_medians

pytestmark = pytest.mark.benchmarks

PAIRS = 128
EVERY = 8
"""The peer is asked about every eighth pair: two at a time, it takes as long for each two."""
NEW_TOKENS = 8


def test_scoring(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
) -> None:
    """128 pairs, those of a batch of the starter; greedy, 8 tokens at most, float32."""
    pairs = list(pairwise(premises[: 8 * (PAIRS + 1) : 8]))
    model = load_language_model(real_models["llm"], dtype="float32")
    paraphrase = load_prompts("few_shot").entailment[0]
    peer = _Released(real_models["llm"])
    by_generation(model, pairs[:2])
    by_likelihood(model, pairs[:2], instruction=paraphrase)
    ours, likelihood, theirs = [], [], []

    def once() -> None:
        start = time.perf_counter()
        by_generation(model, pairs)
        written = time.perf_counter()
        by_likelihood(model, pairs, instruction=paraphrase)
        measured = time.perf_counter()
        peer.score(pairs[::EVERY])
        ours.append(written - start)
        likelihood.append(measured - written)
        theirs.append(EVERY * (time.perf_counter() - measured))

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "transformers generate, two prompts a call as the released code does, float32"
    speedup = ratio_of_medians(theirs, ours)
    figure("score.speedup_vs_released", speedup, unit="x", against=against, rounds=ROUNDS)
    rate = PAIRS / sorted(likelihood)[ROUNDS // 2]
    figure("score.likelihood_pairs_per_second", rate, unit="1/s", against="-", rounds=ROUNDS)


class _Released:
    """Two questions a call of ``generate``, nothing shared between calls."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def score(self, pairs: list[Pair]) -> None:
        for start in range(0, len(pairs), 2):
            texts = [question(pair).text for pair in pairs[start : start + 2]]
            self._model.generate(
                **self._tokenizer(texts, return_tensors="pt", padding=True),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                stop_strings=["\n"],
                tokenizer=self._tokenizer,
            )
