"""Stage 1 against transformers' own contrastive guidance, side by side in one run."""

import time
from pathlib import Path
from statistics import median

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from transformers import AutoModelForCausalLM, AutoTokenizer

from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from tests.benchmarks.conftest import ROUNDS, Figure, ratio_of_medians, sized
from tests.benchmarks.requests_at_hand import requests_for

pytestmark = pytest.mark.benchmarks

OMEGA = 0.5
NEW_TOKENS = 32


def test_contrastive_generation(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
) -> None:
    """32 premises (quickly: 16), both hypotheses, one batch on either side, float32, greedy."""
    requests = requests_for(premises[: 10 * sized(32) : 10], load_prompts("few_shot"))
    model = load_language_model(real_models["llm"], dtype="float32")
    decoding = Decoding(OMEGA, 0, temperature=0, top_p=1, max_new_tokens=NEW_TOKENS, seed=0)
    peer = _peer(real_models["llm"])
    model.write(requests[:4], decoding)
    answers: list[Answer] = []
    ours, theirs, rates = [], [], []
    ceiling = Ceiling(real_models["llm"], rows=len(requests) * 2)

    def once() -> None:
        # In turns, so that a busy neighbour slows both sides alike.
        start = time.perf_counter()
        answers[:] = model.write(requests, decoding)
        middle = time.perf_counter()
        peer(requests)
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
        rates.append(ceiling.rate())

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    rows = f"float32, {len(requests)} rows"
    against = f"transformers generate(guidance_scale, negative_prompt_ids), {rows}"
    speedup = ratio_of_medians(theirs, ours)
    figure("generate.speedup_vs_transformers", speedup, unit="x", against=against, rounds=ROUNDS)
    needed = ceiling.needed(requests, answers)
    fraction = needed / median(rates) / median(ours)
    rows = f"{2 * len(requests)} rows"
    against = f"matrix products of the model's own shapes, {rows}, in the same run"
    figure("generate.fraction_of_ceiling", fraction, unit="1", against=against, rounds=ROUNDS)
    rate = len(requests) / 2 / median(ours)
    figure("generate.premises_per_second", rate, unit="1/s", against="-", rounds=ROUNDS)


class Ceiling:
    """How fast this machine multiplies the model's matrices, and how much there is to multiply."""

    def __init__(self, folder: Path, *, rows: int) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        head = network.get_output_embeddings().weight
        layers = [p for p in network.model.layers.parameters() if p.dim() == 2]
        self._matrices = [*layers, head]
        self._inputs = {m.shape[1]: torch.randn(rows, m.shape[1]) for m in self._matrices}
        self._rows = rows
        self._layers: int = sum(m.numel() for m in layers)
        self._head: int = head.numel()

    @torch.inference_mode()
    def rate(self) -> float:
        """Return floating-point operations a second in one pass over all matrices."""
        start = time.perf_counter()
        for matrix in self._matrices:
            self._inputs[matrix.shape[1]] @ matrix.T
        seconds = time.perf_counter() - start
        return 2 * self._rows * (self._layers + self._head) / seconds

    def needed(self, requests: list[Request], answers: list[Answer]) -> float:
        """Return the operations of the distinct prompts' own tokens and of all branches' tokens.

        Attention, prefixes (kept from call to call) and the answer's last token are not counted.
        """
        prompts = {prompt for r in requests for prompt in (r.wanted, r.noisy) if prompt}
        read = sum(len(self._tokenizer(prompt.suffix)["input_ids"]) for prompt in prompts)
        lengths = [len(self._tokenizer(answer.text)["input_ids"]) for answer in answers]
        written = 2 * sum(lengths)
        scored = 2 * sum(length + 1 for length in lengths)
        return 2.0 * (self._layers * (read + written) + self._head * scored)


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
