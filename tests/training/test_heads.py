"""What counts while training only: right while it counts, and gone afterwards."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from stages.encoders.loading import load_encoder
from stages.encoders.poolers import pooler_of
from stages.training.heads import CLS_MLP, add_heads, remove_heads

TEMPLATE = 'This sentence : "{sentence}" means [MASK].'
SENTENCES = ["The ferry waits.", "A kettle shines at noon.", "Rain.", "The ferry waits?"]


def without_dropout(encoder: Any) -> Any:
    for module in encoder.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    encoder[0].model.config._attn_implementation = "eager"
    return encoder.train()


def vectors(encoder: Any, sentences: list[str]) -> torch.Tensor:
    result: torch.Tensor = encoder(encoder.preprocess(sentences))["sentence_embedding"]
    return result


@pytest.fixture
def mlp(tiny: Path) -> Any:
    encoder: Any = load_encoder(tiny, pooler="cls")
    add_heads(encoder, pooler=CLS_MLP, template="", seed=3)
    return without_dropout(encoder)


@pytest.fixture
def denoised(tiny: Path) -> Any:
    encoder: Any = load_encoder(tiny, pooler="prompt_mask", template=TEMPLATE)
    add_heads(encoder, pooler="prompt_mask", template=TEMPLATE, seed=3)
    return without_dropout(encoder)


def test_the_mlp_is_linear_and_tanh_on_the_first_token_while_training(
    mlp: Any,
) -> None:
    inputs = mlp.preprocess(SENTENCES)
    arguments = {n: inputs[n] for n in ("input_ids", "attention_mask", "token_type_ids")}
    states = mlp[0].model(**arguments).last_hidden_state[:, 0]
    head = mlp[2].linear
    torch.testing.assert_close(
        vectors(mlp, SENTENCES), torch.tanh(states @ head.weight.T + head.bias)
    )
    torch.testing.assert_close(vectors(mlp.eval(), SENTENCES), states)


def test_the_mlp_learns_and_begins_as_the_seed_says(mlp: Any, tiny: Path) -> None:
    vectors(mlp, SENTENCES).sum().backward()
    assert mlp[2].linear.weight.grad.abs().max() > 0
    twin: Any
    other: Any
    twin, other = (load_encoder(tiny, pooler="cls") for _ in range(2))
    add_heads(twin, pooler=CLS_MLP, template="", seed=3)
    add_heads(other, pooler=CLS_MLP, template="", seed=4)
    assert torch.equal(twin[2].linear.weight, mlp[2].linear.weight)
    assert not torch.equal(other[2].linear.weight, mlp[2].linear.weight)
    assert mlp[2].linear.weight.std().item() == pytest.approx(0.2, rel=0.1)  # as the tiny BERT says


def test_denoising_subtracts_the_templates_own_state_at_the_same_positions(
    denoised: Any,
) -> None:
    """The oracle is the paper's way: the bare template with its later positions shifted."""
    tokenizer, bert = denoised.tokenizer, denoised[0].model
    before = tokenizer(['This sentence : "'], add_special_tokens=False)["input_ids"][0]
    after = tokenizer(['" means [MASK].'], add_special_tokens=False)["input_ids"][0]
    cls, sep, mask = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.mask_token_id
    template = torch.tensor([[cls, *before, *after, sep]])
    place = template[0].tolist().index(mask)
    for sentence, got in zip(SENTENCES, vectors(denoised, SENTENCES), strict=True):
        words = tokenizer([sentence], add_special_tokens=False)["input_ids"][0]
        whole = torch.tensor([[cls, *before, *words, *after, sep]])
        shifted = torch.arange(template.shape[1])
        shifted[1 + len(before) :] += len(words)
        state = bert(input_ids=whole).last_hidden_state[0, place + len(words)]
        bias = bert(input_ids=template, position_ids=shifted[None]).last_hidden_state[0, place]
        torch.testing.assert_close(got, state - bias, atol=1e-4, rtol=1e-4)


def test_denoising_passes_gradients_through_both(denoised: Any) -> None:
    (vectors(denoised, SENTENCES) ** 2).sum().backward()
    grads = denoised[0].model.embeddings.word_embeddings.weight.grad
    word = denoised.tokenizer("means", add_special_tokens=False)["input_ids"][0]
    assert grads[word].abs().max() > 0


def test_after_training_nothing_is_subtracted(denoised: Any, tiny: Path) -> None:
    plain = load_encoder(tiny, pooler="prompt_mask", template=TEMPLATE)
    wanted = plain.encode(SENTENCES)
    np.testing.assert_allclose(denoised.eval().encode(SENTENCES), wanted, atol=1e-5)


@pytest.mark.parametrize("kind", ["mlp", "denoised"])
def test_heads_are_in_checkpoints_and_leave_no_trace_when_removed(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    encoder: Any = request.getfixturevalue(kind)
    classes = {f"{type(m).__module__}.{type(m).__qualname__}": type(m) for m in encoder}
    encoder.save_pretrained(str(tmp_path / "checkpoint"), create_model_card=False)
    again = SentenceTransformer._load_with_module_classes(str(tmp_path / "checkpoint"), classes)
    for name, weights in again.state_dict().items():
        assert torch.equal(weights, encoder.state_dict()[name])
    wanted, pooler = encoder.eval().encode(SENTENCES), pooler_of(encoder)
    remove_heads(encoder)
    assert pooler_of(encoder) == pooler
    assert not any(type(module).__module__.startswith("stages") for module in encoder)
    np.testing.assert_array_equal(encoder.train().eval().encode(SENTENCES), wanted)


def test_other_poolers_add_nothing(tiny: Path) -> None:
    encoder: Any = load_encoder(tiny, pooler="cls")
    add_heads(encoder, pooler="cls", template="", seed=1)
    assert len(encoder) == 2
