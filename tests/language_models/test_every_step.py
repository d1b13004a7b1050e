"""The logits behind every token, whoever shares the batch, against plain passes over one row.

In double precision, where nothing but a fault could differ by 1e-5.
"""

import copy
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from stages.language_models import contrastive_writing
from stages.language_models.causal import CausalLanguageModel
from stages.language_models.protocol import Decoding, Prompt, Request
from stages.language_models.randomness import uniforms
from stages.language_models.seq2seq import Seq2SeqLanguageModel

SENTENCES = ["The tram is late.", "Who baked this?", "Nobody swims in the lake in March.", "Go!"]
DECODING = Decoding(omega=0.5, plausibility=0, temperature=1, top_p=1, max_new_tokens=10, seed=3)

Step = tuple[list[int], Tensor]
"""Tokens written so far, and the ``(branches, vocabulary)`` logits of the next."""


def requests() -> list[Request]:
    """Both hypotheses and two samples a sentence: prompts that serve several branches."""
    made = []
    for sentence in SENTENCES:
        same, other = Prompt("Say the same: ", sentence), Prompt("Deny it; ", sentence)
        for sample in range(2):
            made.append(Request(same, other, f"{sentence}/{sample}/e"))
            made.append(Request(other, same, f"{sentence}/{sample}/c"))
    return made


def steps_of(
    write: Callable[[list[Request], Decoding], object], monkeypatch: pytest.MonkeyPatch
) -> dict[int, list[Step]]:
    """Write for all requests; return the steps of each, by its place.

    A row is known by its random number, whatever rows have left the batch.
    """
    asked = requests()
    numbers = uniforms(DECODING.seed, [r.key for r in asked], count=DECODING.max_new_tokens)
    place = {float(number): row for row, of_row in enumerate(numbers) for number in of_row}
    steps: dict[int, list[Step]] = defaultdict(list)
    written: dict[int, list[int]] = defaultdict(list)
    draw = contrastive_writing._drawn

    def spy(logits: Tensor, numbers: Tensor, decoding: Decoding) -> Tensor:
        drawn = draw(logits, numbers, decoding)
        rows = [place[float(number)] for number in numbers]
        for row, both, token in zip(
            rows, logits.view(2, len(rows), -1).unbind(1), drawn, strict=True
        ):
            steps[row].append((list(written[row]), both.clone()))
            written[row].append(int(token))
        return drawn

    monkeypatch.setattr(contrastive_writing, "_drawn", spy)
    write(asked, DECODING)
    return steps


@pytest.mark.slow
def test_a_decoder(
    llama: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    llama.double()
    plain = copy.deepcopy(llama)

    def next_logits(prompt: list[int], written: list[int]) -> Tensor:
        output: Any = plain(torch.tensor([prompt + written]))
        logits: Tensor = output.logits[0, -1]
        return logits

    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    check(steps_of(model.write, monkeypatch), next_logits, tokenizer)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_an_encoder_decoder(
    name: str,
    request: pytest.FixtureRequest,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network: Any = request.getfixturevalue(name).double()

    def next_logits(prompt: list[int], written: list[int]) -> Tensor:
        begun = [network.config.decoder_start_token_id, *written]
        output = network(
            input_ids=torch.tensor([prompt]),
            decoder_input_ids=torch.tensor([begun]),
            use_cache=False,
        )
        logits: Tensor = output.logits[0, -1]
        return logits

    model = Seq2SeqLanguageModel(network, tokenizer, identity=name)
    check(steps_of(model.write, monkeypatch), next_logits, tokenizer)


@torch.inference_mode()
def check(
    steps: dict[int, list[Step]],
    logits: Callable[[list[int], list[int]], Tensor],
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    """Hold every step against passes over one row, without cache, batch or sharing."""
    asked = requests()
    assert sorted(steps) == list(range(len(asked)))
    assert sum(map(len, steps.values())) > 40
    for row, of_row in steps.items():
        branches = (asked[row].wanted, asked[row].noisy)
        prompts = [tokenizer(prompt.text)["input_ids"] for prompt in branches if prompt]
        for written, found in of_row:
            for prompt, branch in zip(prompts, found, strict=True):
                expected = logits(prompt, written).float()
                torch.testing.assert_close(branch, expected, atol=1e-5, rtol=0)
