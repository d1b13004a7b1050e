"""Contrastive generation with an encoder-decoder against the plain loop of two passes a token."""

import time

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from stages.equations.contrastive_decoding import contrastive_scores
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding, Request
from stages.language_models.seq2seq import Seq2SeqLanguageModel
from tests.benchmarks.conftest import ROUNDS, Figure, ratio_of_medians
from tests.benchmarks.requests_at_hand import requests_for

pytestmark = pytest.mark.benchmarks

OMEGA = 0.3
NEW_TOKENS = 24
DECODING = Decoding(OMEGA, 0, temperature=0, top_p=1, max_new_tokens=NEW_TOKENS, seed=0)


def flan_t5_small() -> T5ForConditionalGeneration:
    """Return a network of Flan-T5-small's shape with random weights."""
    torch.manual_seed(0)
    config = T5Config(
        vocab_size=32128,
        d_model=512,
        d_kv=64,
        d_ff=1024,
        num_layers=8,
        num_heads=6,
        feed_forward_proj="gated-gelu",
    )
    config.update({"decoder_start_token_id": 0, "tie_word_embeddings": False})
    network = T5ForConditionalGeneration(config)
    network.eval()
    return network


def words_as_tokens(texts: list[str]) -> PreTrainedTokenizerFast:
    """Return a tokenizer that knows the words of ``texts``, with an end as T5's has."""
    words = sorted({word for text in texts for word in text.split()})
    vocabulary = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", *words])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=raw, pad_token="<pad>", eos_token="</s>")


def test_contrastive_generation_with_t5(
    benchmark: BenchmarkFixture, figure: Figure, premises: list[str]
) -> None:
    """16 premises, both hypotheses, instructions in words, float32, greedy, 24 tokens each."""
    requests = requests_for(premises[:320:20], load_prompts("instructions"))
    network = flan_t5_small()
    tokenizer = words_as_tokens([request.wanted.text for request in requests])
    model = Seq2SeqLanguageModel(network, tokenizer, identity="random")
    model.write(requests[:2], DECODING)
    ours, theirs = [], []

    def once() -> None:
        start = time.perf_counter()
        model.write(requests, DECODING)
        middle = time.perf_counter()
        _two_passes_a_token(network, tokenizer, requests)
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "two passes a token over all that is written, encoders kept, float32, 32 rows"
    speedup = ratio_of_medians(theirs, ours)
    figure("generate.seq2seq_speedup", speedup, unit="x", against=against, rounds=ROUNDS)


@torch.inference_mode()
def _two_passes_a_token(
    network: T5ForConditionalGeneration,
    tokenizer: PreTrainedTokenizerFast,
    requests: list[Request],
) -> None:
    """Write for the whole batch, the wanted and the noisy branch one after the other."""
    sides = [[request.wanted for request in requests], [r.noisy for r in requests if r.noisy]]
    encoded = []
    for prompts in sides:
        batch = tokenizer([p.text for p in prompts], return_tensors="pt", padding=True)
        states = network.get_encoder()(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
        )
        encoded.append((states, batch["attention_mask"]))
    written = torch.zeros(len(requests), 1, dtype=torch.long)
    for _ in range(NEW_TOKENS):
        wanted, noisy = (
            network(encoder_outputs=states, attention_mask=mask, decoder_input_ids=written).logits[
                :, -1
            ]
            for states, mask in encoded
        )
        best = contrastive_scores(wanted, noisy, omega=OMEGA).argmax(dim=-1, keepdim=True)
        written = torch.cat([written, best], dim=1)
