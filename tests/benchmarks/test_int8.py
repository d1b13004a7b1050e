"""8-bit arithmetic of the language model against float32, in turns."""

import time
from itertools import pairwise
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stages.language_models.judging import by_likelihood
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding
from tests.benchmarks.conftest import ROUNDS, Figure, ratio_of_medians, sized
from tests.benchmarks.requests_at_hand import requests_for

pytestmark = pytest.mark.benchmarks

DECODING = Decoding(0.5, plausibility=0.1, temperature=0.5, top_p=1, max_new_tokens=32, seed=0)
TYPES = ("float32", "int8")


def test_writing_and_judging(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
) -> None:
    """32 premises (quickly: 16), written for as the starter does, then 64 pairs judged."""
    prompts, rows = load_prompts("few_shot"), sized(32)
    requests = requests_for(premises[: 10 * rows : 10], prompts)
    pairs = list(pairwise(premises[: 8 * (2 * rows + 1) : 8]))
    models = {name: load_language_model(real_models["llm"], dtype=name) for name in TYPES}
    for model in models.values():
        model.write(requests[:4], DECODING)
    writing: dict[str, list[float]] = {name: [] for name in TYPES}
    judging: dict[str, list[float]] = {name: [] for name in TYPES}

    def once() -> None:
        for name, model in models.items():
            start = time.perf_counter()
            model.write(requests, DECODING)
            written = time.perf_counter()
            by_likelihood(model, pairs, instruction=prompts.entailment[0])
            writing[name].append(written - start)
            judging[name].append(time.perf_counter() - written)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    for key, taken, work in (
        ("generate", writing, f"{rows} premises"),
        ("score", judging, f"{len(pairs)} pairs"),
    ):
        speedup = ratio_of_medians(taken["float32"], taken["int8"])
        against = f"float32, the same {work}"
        figure(f"{key}.int8_speedup", speedup, unit="x", against=against, rounds=ROUNDS)
