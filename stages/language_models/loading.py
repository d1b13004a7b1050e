"""From a folder of model files to a language model."""

import json
from pathlib import Path

from stages.errors import PipelineError
from stages.language_models.protocol import LanguageModel
from stages.language_models.scripted import ScriptedLanguageModel
from stages.language_models.servers.account import Metered
from stages.language_models.servers.settings import Server

CODE = (
    "stages.equations.contrastive_decoding",
    "stages.language_models.causal",
    "stages.language_models.contrastive_writing",
    "stages.language_models.hosting",
    "stages.language_models.prefixed_attention",
    "stages.language_models.randomness",
    "stages.language_models.scripted",
    "stages.language_models.seq2seq",
    "stages.language_models.servers.model",
    "stages.language_models.servers.replies",
    "stages.language_models.tokens",
)
"""What shapes a model's answers besides its weights and what it is asked."""


def load_language_model(
    folder: Path, *, dtype: str = "auto", server: Server | None = None
) -> LanguageModel:
    """Load the model that stage ``fetch`` put into ``folder``.

    Args:
        folder: Holds source.json and, but for the scripted and served models, weights.
        dtype: ``float32``, ``bfloat16``, or ``auto``: bfloat16 where the hardware computes in it.
        server: How a model behind a server is asked; the others do without.

    Raises:
        PipelineError: When the folder is not such a folder, or the model is of a kind that
            contrastive generation does not know.
    """
    source = _source(folder)
    if source["reference"] == "scripted:":
        return ScriptedLanguageModel()
    if source["reference"].startswith("api:"):
        return _load_served(source["reference"], server)
    return _load_network(folder, identity=source["identity"], dtype=dtype)


def computed_with(model: LanguageModel) -> dict[str, object]:
    """Return what shapes the rounding of the model's answers, as JSON values.

    Nothing does where nothing is rounded here: a rule has no rounding, and what a server was paid
    for outlives another version of a library.
    """
    if isinstance(model, ScriptedLanguageModel | Metered):
        return {}
    from stages.engines.hardware import surroundings

    return surroundings()


def _load_served(reference: str, server: Server | None) -> LanguageModel:
    from stages.language_models.servers.model import ServedLanguageModel

    if server is None:
        raise PipelineError(
            f"{reference} cannot be asked without the section server of params.yaml.",
            remedy="name a params file that has it: --params params.yaml.",
        )
    return ServedLanguageModel(reference.removeprefix("api:"), server)


def _load_network(folder: Path, *, identity: str, dtype: str) -> LanguageModel:
    import torch
    from torch import nn
    from transformers import (
        AutoConfig,
        AutoModelForCausalLM,
        AutoModelForSeq2SeqLM,
        AutoTokenizer,
        PreTrainedModel,
    )

    from stages.engines.hardware import device, resolve_dtype
    from stages.language_models.causal import CausalLanguageModel
    from stages.language_models.seq2seq import Seq2SeqLanguageModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    loader = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
    model = loader.from_pretrained(
        folder, dtype=resolve_dtype(dtype), local_files_only=True, use_safetensors=True
    )
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    # transformers wraps `to` in a way that hides its signature.
    moved: PreTrainedModel = nn.Module.to(model, torch.device(device()))
    if config.is_encoder_decoder:
        return Seq2SeqLanguageModel(moved, tokenizer, identity=identity)
    if not model._supports_attention_backend:
        raise PipelineError(
            f"{folder} holds a {config.model_type}, whose attention cannot be replaced.",
            remedy="take one that transformers built on its attention interface, such as Llama.",
        )
    return CausalLanguageModel(moved, tokenizer, identity=identity)


def _source(folder: Path) -> dict[str, str]:
    path = folder / "source.json"
    try:
        source: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PipelineError(
            f"{folder} is not a folder that stage fetch made: {path.name} cannot be read.",
            remedy="run `dvc repro fetch` or `multicsr fetch`.",
        ) from error
    return source
