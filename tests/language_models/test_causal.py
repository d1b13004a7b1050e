"""The batched, cached, prefix-sharing model against plain passes without any of these."""

import copy
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from stages.equations.contrastive_decoding import contrastive_scores, draw
from stages.errors import PipelineError
from stages.language_models import prefixed_attention, tokens
from stages.language_models.causal import CausalLanguageModel
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import uniforms

SENTENCES = ["The tram is late.", "Who baked this?", "Nobody swims in the lake in March.", "Go!"]
GREEDY = Decoding(omega=0.3, plausibility=0, temperature=0, top_p=1, max_new_tokens=12, seed=1)
SAMPLED = Decoding(
    omega=0.5, plausibility=0.05, temperature=1, top_p=0.9, max_new_tokens=12, seed=1
)
GUARDED = Decoding(
    omega=0.5,
    plausibility=0.01,
    temperature=0.7,
    top_p=0.95,
    max_new_tokens=16,
    seed=1,
    top_k=4,
    no_repeat_ngram=2,
)


def requests_for(sentences: list[str], *, prefixed: bool = True) -> list[Request]:
    wanted_prefix, noisy_prefix = ("Say the same: ", "Deny it; ") if prefixed else ("", "")
    pairs = [(Prompt(wanted_prefix, s + " ="), Prompt(noisy_prefix, s + " !")) for s in sentences]
    return [
        request
        for sentence, (same, other) in zip(sentences, pairs, strict=True)
        for request in (
            Request(same, other, f"{sentence}/e"),
            Request(other, same, f"{sentence}/c"),
        )
    ]


ASKED = requests_for(SENTENCES)


def written_without_cache(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    request: Request,
    decoding: Decoding,
) -> Answer:
    """Recompute every step from nothing: no cache, no batch, no shared prefix."""
    assert request.noisy is not None
    tokens: list[int] = []
    numbers = uniforms(decoding.seed, [request.key], count=decoding.max_new_tokens)
    prompts = [tokenizer(prompt.text)["input_ids"] for prompt in (request.wanted, request.noisy)]
    for step in range(decoding.max_new_tokens):
        with torch.inference_mode():
            passes = [model(torch.tensor([p + tokens])).logits for p in prompts]
        last = [logits[:, -1].clone() for logits in passes]
        if decoding.no_repeat_ngram:
            assert decoding.no_repeat_ngram == 2
            said = set(pairwise(tokens))
            for token in range(len(tokenizer)):
                if tokens and (tokens[-1], token) in said:
                    last[0][0, token] = -torch.inf
        scores = contrastive_scores(
            last[0], last[1], omega=decoding.omega, plausibility=decoding.plausibility
        )
        if decoding.top_k:
            best = sorted(scores[0].tolist(), reverse=True)[: decoding.top_k]
            scores[scores < best[-1]] = -torch.inf
        if decoding.temperature > 0 and decoding.top_p < 1:
            order = (scores / decoding.temperature).softmax(-1)[0].sort(descending=True)
            held = 0.0
            for probability, token in zip(*(x.tolist() for x in order), strict=True):
                if held >= decoding.top_p:
                    scores[0, token] = -torch.inf
                held += probability
        number = torch.from_numpy(numbers[:, step])
        tokens.append(int(draw(scores, number, temperature=decoding.temperature)))
        if tokens[-1] == 256 or "\n" in tokenizer.decode(tokens[-1:]):
            break
    text = str(tokenizer.decode(tokens, skip_special_tokens=True)).split("\n")[0].strip()
    ended = tokens[-1] == 256 or "\n" in tokenizer.decode(tokens[-1:])
    return Answer(text, finished=ended)


@pytest.mark.parametrize(
    "decoding", [GREEDY, SAMPLED, GUARDED], ids=["greedy", "sampled", "guarded"]
)
@pytest.mark.parametrize("prefixed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_answers_equal_a_recomputation_without_cache_batch_or_sharing(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, decoding: Decoding, prefixed: bool
) -> None:
    requests = requests_for(SENTENCES, prefixed=prefixed)
    plain = copy.deepcopy(llama)
    oracle = [written_without_cache(plain, tokenizer, r, decoding) for r in requests]
    if not prefixed:
        # Without a prefix the model starts from its start token, and so must the oracle.
        shifted = [Request(_started(r.wanted), _started(r.noisy), r.key) for r in requests]
        oracle = [written_without_cache(plain, tokenizer, r, decoding) for r in shifted]
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    assert model.write(requests, decoding) == oracle
    assert len({answer.text for answer in oracle}) > 4


def _started(prompt: Prompt | None) -> Prompt:
    assert prompt is not None
    return Prompt("<|end|>", prompt.suffix)


def test_answers_do_not_depend_on_batch_order_or_neighbours(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    requests = requests_for(SENTENCES)
    together = model.write(requests, SAMPLED)
    assert [model.write([request], SAMPLED)[0] for request in requests] == together
    assert model.write(requests[::-1], SAMPLED)[::-1] == together


@pytest.mark.parametrize("prefixed", [True, False])
def test_answers_do_not_depend_on_which_prompts_are_read_together(
    llama: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    monkeypatch: pytest.MonkeyPatch,
    prefixed: bool,
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    asked = requests_for(SENTENCES, prefixed=prefixed)
    together = model.write(asked, SAMPLED)
    monkeypatch.setattr(tokens, "SMALL_RUN", 1)
    assert model.write(asked, SAMPLED) == together


def test_answers_do_not_depend_on_how_many_rows_attend_at_once(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    together = model.write(ASKED, SAMPLED)
    monkeypatch.setattr(prefixed_attention, "WEIGHTS_AT_ONCE", 1)
    assert model.write(ASKED, SAMPLED) == together


def test_omega_0_equals_plain_generation_of_transformers(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    prompts = [Prompt("Say: ", sentence) for sentence in SENTENCES]
    expected = []
    for prompt in prompts:
        ids = torch.tensor([tokenizer(prompt.text)["input_ids"]])
        out = llama.generate(  # type: ignore[misc]
            ids, attention_mask=torch.ones_like(ids), max_new_tokens=12, do_sample=False
        )
        text = str(tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True))
        expected.append(text.split("\n", maxsplit=1)[0].strip())
    plain = Decoding(omega=0, plausibility=0, temperature=0, top_p=1, max_new_tokens=12, seed=0)
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    answers = model.write([Request(prompt, None, "") for prompt in prompts], plain)
    assert [answer.text for answer in answers] == expected


def test_log_likelihoods_equal_a_plain_pass_over_the_whole_text(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    pairs = [(Prompt("Say: ", s), t) for s in SENTENCES for t in (" yes\n", " so it is, surely\n")]
    pairs += [(Prompt("Other: ", "x"), " yes\n"), (Prompt("Say: ", SENTENCES[0]), " no\n")]
    expected = []
    for prompt, text in pairs:
        given, target = (tokenizer(part)["input_ids"] for part in (prompt.text, text))
        with torch.inference_mode():
            logits = llama(torch.tensor([given + target])).logits[0]
        table = logits.double().log_softmax(-1)[len(given) - 1 : -1]
        expected.append(float(table[range(len(target)), target].sum()))
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    assert model.log_likelihoods(pairs) == pytest.approx(expected, abs=1e-4)


def test_what_another_prompt_begins_with_is_read_off_and_not_computed_again(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [f" {sentence}\n" for sentence in SENTENCES]
    inside = [(Prompt("Examples. ", "Say:"), line) for line in lines]
    whole = [(Prompt("Examples. ", f"Say:{line}So:"), " yes\n") for line in lines]
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    apart = model.log_likelihoods(inside) + model.log_likelihoods(whole)
    passes: list[int] = []
    advance = model._advance

    def counted(ids: torch.Tensor, *rest: Any) -> torch.Tensor:
        passes.append(ids.numel())
        return advance(ids, *rest)

    monkeypatch.setattr(model, "_advance", counted)
    model.log_likelihoods(whole)
    alone = sum(passes)
    passes.clear()
    assert model.log_likelihoods(inside + whole) == pytest.approx(apart, abs=1e-4)
    assert sum(passes) == alone


def test_log_likelihoods_do_not_depend_on_how_many_go_at_once(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = [(Prompt("Say: ", s[:n]), t) for s in SENTENCES for n in (3, 9) for t in ("a\n", s)]
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    together = model.log_likelihoods(pairs)
    monkeypatch.setattr(tokens, "ROWS_AT_ONCE", 3)
    assert model.log_likelihoods(pairs) == pytest.approx(together, abs=1e-4)


CHAT = "{% for turn in messages %}<{{ turn.role }}>{{ turn.content }}|{% endfor %}<assistant>"


def test_a_chat_prompt_is_asked_inside_the_template(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    talking = copy.deepcopy(tokenizer)
    talking.chat_template = CHAT
    model = CausalLanguageModel(llama, talking, identity="llama")
    chat = [replace(r, wanted=in_chat(r.wanted), noisy=in_chat(r.noisy)) for r in ASKED]
    plain = [replace(r, wanted=rendered(r.wanted), noisy=rendered(r.noisy)) for r in ASKED]
    assert model.write(chat, SAMPLED) == model.write(plain, SAMPLED)
    assert model.log_likelihoods([(chat[0].wanted, " yes")]) == pytest.approx(
        model.log_likelihoods([(plain[0].wanted, " yes")]), abs=1e-4
    )
    assert len(model._prefixes) == len({request.wanted.prefix for request in ASKED})


def test_a_model_without_a_chat_template_says_so(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    chat = [replace(r, wanted=in_chat(r.wanted), noisy=in_chat(r.noisy)) for r in ASKED]
    with pytest.raises(PipelineError, match=r"no chat template(.|\n)*generate\.chat"):
        model.write(chat, GREEDY)


def in_chat(prompt: Prompt | None) -> Prompt:
    assert prompt is not None
    return replace(prompt, chat=True)


def rendered(prompt: Prompt | None) -> Prompt:
    """Put the prompt into CHAT by hand, in one piece but for what all rows begin with."""
    assert prompt is not None
    return Prompt(f"<user>{prompt.prefix}", f"{prompt.suffix}|<assistant>")


def test_nothing_asked_is_nothing_answered(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    assert model.write([], GREEDY) == []
    assert model.log_likelihoods([]) == []


def test_an_answer_cut_by_the_token_limit_is_not_finished(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    model = CausalLanguageModel(llama, tokenizer, identity="llama")
    short = Decoding(omega=0, plausibility=0, temperature=0, top_p=1, max_new_tokens=1, seed=0)
    answers = model.write([Request(Prompt("", s), None, s) for s in SENTENCES], short)
    assert not any(answer.finished for answer in answers)
