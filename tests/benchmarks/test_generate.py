"""Stage 1 against transformers' own contrastive guidance, side by side in one run."""

import time
from pathlib import Path

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding, Prompt, Request
from tests.benchmarks.conftest import Figure, ratio_of_medians

pytestmark = pytest.mark.benchmarks

ROUNDS = 3
OMEGA = 0.5
NEW_TOKENS = 32


def requests_for(sentences: list[str]) -> list[Request]:
    prompts = load_prompts("few_shot")
    made = []
    for sentence in sentences:
        same = prompts.entailment[0].prompt(sentence)
        other = prompts.contradiction[0].prompt(sentence)
        made += [Request(same, other, sentence), Request(other, same, sentence)]
    return made


def test_contrastive_generation(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
) -> None:
    """32 premises, both hypotheses: 64 answers, one batch on either side, float32, greedy."""
    requests = requests_for(premises[:320:10])
    model = load_language_model(real_models["llm"], dtype="float32")
    decoding = Decoding(OMEGA, 0, temperature=0, top_p=1, max_new_tokens=NEW_TOKENS, seed=0)
    peer = _peer(real_models["llm"])
    model.write(requests[:4], decoding)
    ours, theirs = [], []

    def once() -> None:
        # In turns, so that a busy neighbour slows both sides alike.
        start = time.perf_counter()
        model.write(requests, decoding)
        middle = time.perf_counter()
        peer(requests)
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "transformers generate(guidance_scale, negative_prompt_ids), float32, 64 rows"
    speedup = ratio_of_medians(theirs, ours)
    figure("generate.speedup_vs_transformers", speedup, unit="x", against=against, rounds=ROUNDS)
    rate = len(requests) / 2 / sorted(ours)[ROUNDS // 2]
    figure("generate.premises_per_second", rate, unit="1/s", against="-", rounds=ROUNDS)


def _peer(folder: Path):  # type: ignore[no-untyped-def]
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    def ids(prompts: list[Prompt | None]):  # type: ignore[no-untyped-def]
        return tokenizer([p.text for p in prompts if p], return_tensors="pt", padding=True)

    def write(requests: list[Request]) -> None:
        wanted = ids([request.wanted for request in requests])
        noisy = ids([request.noisy for request in requests])
        model.generate(
            **wanted,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            guidance_scale=1 / (1 - OMEGA),
            negative_prompt_ids=noisy["input_ids"],
            negative_prompt_attention_mask=noisy["attention_mask"],
            stop_strings=["\n"],
            tokenizer=tokenizer,
        )

    return write
