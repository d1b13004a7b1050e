"""8-bit products: how far from the exact ones they may be, and that rows do not meet in them."""

import copy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast, T5ForConditionalGeneration

from stages.language_models.causal import CausalLanguageModel
from stages.language_models.int8 import STEPS, Int8Linear, arithmetic, in_int8, rounded_rows
from stages.language_models.protocol import Decoding, Prompt, Request

INPUTS, OUTPUTS = 24, 10
GREEDY = Decoding(omega=0.3, plausibility=0.1, temperature=0, top_p=1, max_new_tokens=6, seed=1)


def drawn(seed: int, *shape: int, spread: float = 1.0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * spread


def layer(seed: int, *, bias: bool) -> nn.Linear:
    linear = nn.Linear(INPUTS, OUTPUTS, bias=bias)
    with torch.no_grad():
        linear.weight.copy_(drawn(seed, OUTPUTS, INPUTS))
        if bias:
            linear.bias.copy_(drawn(seed + 1, OUTPUTS))
    return linear


@given(
    seed=st.integers(0, 10_000), rows=st.integers(1, 9), spread=st.sampled_from([1e-6, 1.0, 1e6])
)
def test_a_number_is_off_by_half_a_step_of_its_row_at_most(
    seed: int, rows: int, spread: float
) -> None:
    numbers = drawn(seed, rows, INPUTS, spread=spread)
    whole, step = rounded_rows(numbers)
    assert whole.dtype == torch.int8
    assert (whole.float().abs().amax(dim=1) == STEPS).all(), "the greatest of a row uses the range"
    assert ((whole * step - numbers).abs() <= step * 0.501).all()


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), bias=st.booleans())
def test_a_product_is_that_of_the_rounded_numbers_and_as_near_as_their_steps_say(
    seed: int, rows: int, bias: bool
) -> None:
    linear, states = layer(seed, bias=bias), drawn(seed + 2, 2, rows, INPUTS)
    with torch.inference_mode():
        got = Int8Linear(linear)(states)
        exact = linear.double()(states.double())
    weights, weight_step = rounded_rows(linear.weight.detach().float())
    flat, state_step = rounded_rows(states.reshape(-1, INPUTS))
    whole = (flat.double() @ weights.double().T) * (state_step * weight_step[:, 0]).double()
    oracle = (whole + (linear.bias.detach() if bias else 0)).view(2, rows, OUTPUTS)
    torch.testing.assert_close(got.double(), oracle, rtol=1e-5, atol=1e-6)
    # Each of the products is off by half a step times the other factor, either way.
    off = state_step * weights.float().abs().sum(1) * weight_step[:, 0] + (
        flat.float().abs().sum(1, keepdim=True) * state_step * weight_step[:, 0]
    )
    bound = (0.51 * off + INPUTS * state_step * weight_step[:, 0]).view(2, rows, OUTPUTS)
    assert ((got - exact).abs() <= bound + 1e-5).all()


def test_rows_of_zeros_are_zeros() -> None:
    assert Int8Linear(layer(1, bias=False))(torch.zeros(3, INPUTS)).eq(0).all()


def test_a_row_is_the_same_to_the_bit_whatever_is_computed_beside_it() -> None:
    quick = Int8Linear(layer(3, bias=True))
    states = drawn(4, 33, INPUTS)
    states[7] *= 1000  # which would take all steps of a scale for the whole tensor
    together = quick(states)
    for row in range(len(states)):
        assert torch.equal(together[row], quick(states[row : row + 1])[0])


def test_every_linear_layer_is_replaced_and_the_identity_says_so(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    ours = copy.deepcopy(llama)
    before = CausalLanguageModel(copy.deepcopy(llama), tokenizer, identity="tiny")
    in_int8(ours)
    assert not [module for module in ours.modules() if type(module) is nn.Linear]
    assert isinstance(ours.lm_head, Int8Linear)
    assert arithmetic(ours) == "torch.int8"
    after = CausalLanguageModel(ours, tokenizer, identity="tiny")
    assert (before.identity, after.identity) == ("tiny torch.float32", "tiny torch.int8")


def test_answers_and_likelihoods_stay_near_those_of_floats(
    llama: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast
) -> None:
    quick = copy.deepcopy(llama)
    in_int8(quick)
    floats, whole = (
        CausalLanguageModel(model, tokenizer, identity="tiny")
        for model in (copy.deepcopy(llama), quick)
    )
    asked = [(Prompt("a b", f" {word}"), " c d e") for word in "abcde"]
    exact = floats.log_likelihoods(asked)
    assert whole.log_likelihoods(asked) == pytest.approx(exact, rel=0.02)
    requests = [Request(p, Prompt("c d", p.suffix), key=p.suffix) for p, _ in asked]
    together = whole.write(requests, GREEDY)
    assert together == [whole.write([request], GREEDY)[0] for request in requests]


def test_an_encoder_decoder_computes_in_it_too(t5: T5ForConditionalGeneration) -> None:
    quick = copy.deepcopy(t5)
    in_int8(quick)
    words = {"input_ids": torch.tensor([[3, 4, 5]]), "decoder_input_ids": torch.tensor([[0, 6]])}
    with torch.inference_mode():
        got, exact = quick(**words).logits, t5(**words).logits
    assert (got - exact).norm() <= 0.05 * exact.norm()
