"""Sizes read from config.json, beside the models that transformers builds of them."""

from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSeq2SeqLM

from stages.errors import PipelineError
from stages.planning.models import find_model, known_models
from stages.planning.shapes import shape_of


def built(config: dict[str, Any]) -> torch.nn.Module:
    """Return the model without its numbers."""
    values = {key: value for key, value in config.items() if key != "model_type"}
    made = AutoConfig.for_model(config["model_type"], **values)
    kind: Any = AutoModel
    if made.is_encoder_decoder:
        kind = AutoModelForSeq2SeqLM
    elif any(name.endswith("CausalLM") for name in config.get("architectures", ())):
        kind = AutoModelForCausalLM
    with torch.device("meta"):
        model: torch.nn.Module = kind.from_config(made)
    return model


@pytest.mark.parametrize("name", known_models())
def test_a_known_model_has_as_many_parameters_as_transformers_builds(name: str) -> None:
    entry = known_models()[name]
    parameters = sum(p.numel() for p in built(dict(entry["config"])).parameters())
    # transformers 5 builds T5's head out of its table of tokens; the published weights have both.
    assert parameters == pytest.approx(entry["parameters"], rel=0.03)
    assert find_model(name).shape.parameters == pytest.approx(entry["parameters"], rel=0.01)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "n_head": 8},
        {"model_type": "mistral", "architectures": ["MistralForCausalLM"], "num_hidden_layers": 2},
        {"model_type": "t5", "is_encoder_decoder": True, "num_layers": 2},
        {"model_type": "distilbert", "architectures": ["DistilBertModel"], "n_heads": 8},
    ],
    ids=lambda config: config["model_type"],
)
def test_other_families_are_read_by_their_own_names(config: dict[str, Any]) -> None:
    values = {key: value for key, value in config.items() if key != "model_type"}
    whole = AutoConfig.for_model(config["model_type"], **values).to_dict()
    model = built({**whole, **config})
    written = {**whole, **config, "architectures": [type(model).__name__]}
    shape = shape_of(written, name="it")
    assert shape.parameters == pytest.approx(sum(p.numel() for p in model.parameters()), rel=0.02)


def test_what_a_config_lacks_is_named() -> None:
    with pytest.raises(PipelineError, match="odd does not say its layers"):
        shape_of({"hidden_size": 8}, name="odd")


def test_experts_are_refused() -> None:
    with pytest.raises(PipelineError, match="mixture of experts"):
        shape_of({"hidden_size": 8, "num_local_experts": 8}, name="many")


def test_an_unknown_model_is_told_which_are_known() -> None:
    with pytest.raises(PipelineError, match=r"'gtp5' are not at hand") as told:
        find_model("gtp5")
    assert "flan-t5-xl" in told.value.remedy


def test_a_reference_to_the_hub_finds_a_known_model_whatever_its_commit() -> None:
    pinned = f"hub:google/flan-t5-xl@{'0' * 40}"
    assert find_model(pinned) == find_model("flan-t5-xl")
