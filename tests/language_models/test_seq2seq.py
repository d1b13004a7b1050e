"""The batched, cached encoder-decoder against plain passes without any of these."""

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from stages.equations.contrastive_decoding import contrastive_scores, draw
from stages.language_models import tokens
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import uniforms
from stages.language_models.seq2seq import Seq2SeqLanguageModel

SENTENCES = ["The tram is late.", "Who baked this?", "Nobody swims in the lake in March.", "Go!"]
GREEDY = Decoding(omega=0.3, plausibility=0, temperature=0, top_p=1, max_new_tokens=10, seed=1)
SAMPLED = Decoding(
    omega=-0.5, plausibility=0.05, temperature=1, top_p=0.9, max_new_tokens=10, seed=1
)


@pytest.fixture(params=["t5", "bart"])
def network(request: pytest.FixtureRequest) -> PreTrainedModel:
    model: PreTrainedModel = request.getfixturevalue(request.param)
    return model


@pytest.fixture
def model(network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> Seq2SeqLanguageModel:
    return Seq2SeqLanguageModel(network, tokenizer, identity="random")


def requests_for(sentences: list[str]) -> list[Request]:
    pairs = [(Prompt("Say the same: ", s), Prompt("Deny it; ", s)) for s in sentences]
    return [
        request
        for sentence, (same, other) in zip(sentences, pairs, strict=True)
        for request in (
            Request(same, other, f"{sentence}/e"),
            Request(other, same, f"{sentence}/c"),
        )
    ]


def next_logits(network: PreTrainedModel, prompt: list[int], written: list[int]) -> torch.Tensor:
    begun = [network.config.decoder_start_token_id, *written]
    with torch.inference_mode():
        output = network(
            input_ids=torch.tensor([prompt]),
            decoder_input_ids=torch.tensor([begun]),
            use_cache=False,
        )
    logits: torch.Tensor = output.logits
    return logits


def written_without_cache(
    network: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    request: Request,
    decoding: Decoding,
) -> Answer:
    """Recompute every step from nothing: no cache, no batch, no shared encoding."""
    assert request.noisy is not None
    numbers = uniforms(decoding.seed, [request.key], count=decoding.max_new_tokens)
    prompts = [tokenizer(prompt.text)["input_ids"] for prompt in (request.wanted, request.noisy)]
    written: list[int] = []
    for step in range(decoding.max_new_tokens):
        wanted, noisy = (next_logits(network, prompt, written)[:, -1] for prompt in prompts)
        scores = contrastive_scores(
            wanted, noisy, omega=decoding.omega, plausibility=decoding.plausibility
        )
        if decoding.temperature > 0:
            order = scores.softmax(-1)[0].sort(descending=True)
            held = 0.0
            for probability, token in zip(*(x.tolist() for x in order), strict=True):
                if held >= decoding.top_p:
                    scores[0, token] = -torch.inf
                held += probability
        number = torch.from_numpy(numbers[:, step])
        written.append(int(draw(scores, number, temperature=decoding.temperature)))
        if written[-1] == 256 or "\n" in tokenizer.decode(written[-1:]):
            break
    text = str(tokenizer.decode(written, skip_special_tokens=True)).split("\n")[0].strip()
    return Answer(text, finished=written[-1] == 256 or "\n" in tokenizer.decode(written[-1:]))


@pytest.mark.slow
@pytest.mark.parametrize("decoding", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_answers_equal_a_recomputation_without_cache_batch_or_sharing(
    network: PreTrainedModel,
    model: Seq2SeqLanguageModel,
    tokenizer: PreTrainedTokenizerFast,
    decoding: Decoding,
) -> None:
    asked = requests_for(SENTENCES)
    expected = [written_without_cache(network, tokenizer, request, decoding) for request in asked]
    answers = model.write(asked, decoding)
    assert answers == expected
    assert len({answer.text for answer in answers}) > 1


def test_answers_do_not_depend_on_batch_order_or_neighbours(model: Seq2SeqLanguageModel) -> None:
    asked = requests_for(SENTENCES)
    together = model.write(asked, SAMPLED)
    assert model.write(asked[::-1], SAMPLED) == together[::-1]
    assert [model.write([request], SAMPLED)[0] for request in asked] == together


def test_log_likelihoods_equal_a_plain_pass(
    network: PreTrainedModel, model: Seq2SeqLanguageModel, tokenizer: PreTrainedTokenizerFast
) -> None:
    pairs = [(Prompt("Say: ", s), t) for s in SENTENCES for t in ("yes", "so it is, surely")]
    expected = []
    for prompt, text in pairs:
        given, target = (tokenizer(part)["input_ids"] for part in (prompt.text, text))
        table = next_logits(network, given, target[:-1])[0].double().log_softmax(-1)
        expected.append(float(table[range(len(target)), target].sum()))
    assert model.log_likelihoods(pairs) == pytest.approx(expected, abs=1e-4)


def test_log_likelihoods_do_not_depend_on_how_many_go_at_once(
    model: Seq2SeqLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(Prompt("Say: ", s[:n]), t) for s in SENTENCES for n in (3, 9) for t in ("a", s)]
    together = model.log_likelihoods(pairs)
    monkeypatch.setattr(tokens, "ROWS_AT_ONCE", 3)
    assert model.log_likelihoods(pairs) == pytest.approx(together, abs=1e-4)


def test_nothing_asked_is_nothing_answered(model: Seq2SeqLanguageModel) -> None:
    assert model.write([], GREEDY) == []
    assert model.log_likelihoods([]) == []
