"""Costs by formula, beside costs that are counted."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM

from stages.equations.compute_costs import (
    all_reduce_bytes,
    attention_weights,
    bound_seconds,
    cache_bytes,
    feed_forward_weights,
    line_through,
    pass_flops,
    training_flops,
)

ROWS, LENGTH = 3, 20
SIZES = {"width": 32, "heads": 4, "kv_heads": 2, "head_width": 8}
LAYERS, INNER, VOCABULARY = 3, 80, 100


def decoder() -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=SIZES["width"],
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=SIZES["heads"],
        num_key_value_heads=SIZES["kv_heads"],
    )
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")
    return model


def layer_weights(*, gated: bool, **sizes: int) -> int:
    inner = feed_forward_weights(width=sizes["width"], inner=INNER, gated=gated)
    return attention_weights(**sizes) + inner


def test_a_forward_pass_costs_what_torch_counts() -> None:
    model = decoder()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.zeros(ROWS, LENGTH, dtype=torch.long))
    weights = LAYERS * layer_weights(gated=True, **SIZES) + SIZES["width"] * VOCABULARY
    # Eager attention also multiplies what the mask hides: each token meets all of the row.
    attended = LAYERS * SIZES["heads"] * SIZES["head_width"] * LENGTH
    expected = pass_flops(ROWS * LENGTH, weights=weights, attended=attended)
    rotations = ROWS * LENGTH * SIZES["head_width"]  # of the positions, once a pass
    assert counter.get_total_flops() == pytest.approx(expected, abs=rotations)


def test_training_costs_three_forward_passes() -> None:
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=INNER,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
    )
    model = BertModel(config, add_pooling_layer=False)
    model.set_attn_implementation("eager")
    ids = torch.zeros(ROWS, LENGTH, dtype=torch.long)
    with FlopCounterMode(display=False) as forward:
        loss = model(ids).last_hidden_state.sum()
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    whole = forward.get_total_flops() + backward.get_total_flops()
    assert training_flops(forward.get_total_flops(), replayed=False) == pytest.approx(whole)


def test_the_cache_holds_a_key_and_a_value_a_token_layer_and_head() -> None:
    model = decoder()
    cache = model(torch.zeros(ROWS, LENGTH, dtype=torch.long), use_cache=True).past_key_values
    held = sum(layer.keys.numel() * layer.keys.element_size() * 2 for layer in cache.layers)
    kv_width = SIZES["kv_heads"] * SIZES["head_width"]
    expected = cache_bytes(ROWS * LENGTH, layers=LAYERS, kv_width=kv_width, number_bytes=4)
    assert held == expected


@given(st.floats(0, 1e3), st.floats(1e-9, 1e3), st.floats(1, 1e6), st.floats(1, 1e6))
def test_a_line_is_found_again(fixed: float, slope: float, start: float, further: float) -> None:
    points = [(x, fixed + slope * x) for x in (start, start + further)]
    at_zero, found = line_through(points[0], points[1])
    assert found == pytest.approx(slope, rel=1e-3, abs=1e-6)
    assert at_zero + found * start == pytest.approx(fixed + slope * start, rel=1e-6)


def test_time_is_bound_by_the_slower_of_arithmetic_and_memory() -> None:
    speeds = {"flops_a_second": 10.0, "bytes_a_second": 2.0}
    assert bound_seconds(100, 1, **speeds) == 10
    assert bound_seconds(1, 100, **speeds) == 50


def test_one_process_sends_nothing_and_many_no_more_than_twice_the_sum() -> None:
    assert all_reduce_bytes(8.0, processes=1) == 0
    assert all_reduce_bytes(8.0, processes=2) == 8
    assert all_reduce_bytes(8.0, processes=1000) < 16
