"""From a folder of model files to a language model."""

import json
from functools import partial
from pathlib import Path

from stages.engines.hardware import Hardware
from stages.errors import PipelineError, first_line
from stages.language_models.on_demand import ModelOnDemand
from stages.language_models.protocol import LanguageModel
from stages.language_models.scripted import ScriptedLanguageModel
from stages.language_models.servers.account import Metered
from stages.language_models.servers.settings import Server
from stages.model_files.trust import require_trusted

CODE = (
    "stages.equations.contrastive_decoding",
    "stages.language_models.causal",
    "stages.language_models.contrastive_writing",
    "stages.language_models.hosting",
    "stages.language_models.int8",
    "stages.language_models.prefixed_attention",
    "stages.language_models.randomness",
    "stages.language_models.scripted",
    "stages.language_models.seq2seq",
    "stages.language_models.servers.client",
    "stages.language_models.servers.model",
    "stages.language_models.servers.replies",
    "stages.language_models.tokens",
)
"""What shapes a model's answers besides its weights and what it is asked."""
INT8 = "int8"
SCRIPTED, SERVED = "scripted:", "api:"
"""How the references of models begin that have no weights here."""


def load_language_model(
    folder: Path, *, dtype: str = "auto", server: Server | None = None
) -> LanguageModel:
    """Load the model that stage ``fetch`` put into ``folder``.

    Args:
        folder: Holds source.json and, but for the scripted and served models, weights.
        dtype: ``float32``, ``bfloat16``, ``int8`` (see :mod:`stages.language_models.int8`; on a
            processor), or ``auto``: bfloat16 where the hardware computes in it, else float32.
        server: How a model behind a server is asked; the others do without.

    Raises:
        PipelineError: When the folder is not such a folder, the model is of a kind that
            contrastive generation does not know, or int8 is asked of a GPU.
    """
    source = _source(folder)
    if source["reference"] == SCRIPTED:
        return ScriptedLanguageModel()
    if source["reference"].startswith(SERVED):
        return _load_served(source["reference"], server)
    return _load_network(folder, identity=source["identity"], dtype=dtype)


def language_model_at(
    folder: Path, hardware: Hardware, *, dtype: str = "auto", server: Server | None = None
) -> LanguageModel:
    """Return the model that stage ``fetch`` put into ``folder``, loaded when it is first asked.

    Args:
        folder: See :func:`load_language_model`.
        hardware: What it will compute on.
        dtype: See :func:`load_language_model`.
        server: How a model behind a server is asked; such a model is opened here and now.

    Raises:
        PipelineError: When the folder is not such a folder, or its files are not to be trusted.
    """
    source = _source(folder)
    if is_network(source["reference"]):
        require_trusted(folder)
        resolved = hardware.resolved(dtype)
        load = partial(load_language_model, folder, dtype=resolved)
        return ModelOnDemand(load, identity=f"{source['identity']} torch.{resolved}")
    return load_language_model(folder, dtype=dtype, server=server)


def is_network(reference: str) -> bool:
    """Say whether a model of this reference has weights that are loaded."""
    return reference != SCRIPTED and not reference.startswith(SERVED)


def computed_with(model: LanguageModel, hardware: Hardware) -> dict[str, object]:
    """Return what shapes the rounding of the model's answers, as JSON values.

    Nothing does where nothing is rounded here: a rule has no rounding, and what a server was paid
    for outlives another version of a library.
    """
    if isinstance(model, ScriptedLanguageModel | Metered):
        return {}
    return hardware.surroundings()


def _load_served(reference: str, server: Server | None) -> LanguageModel:
    from stages.language_models.servers.model import ServedLanguageModel

    if server is None:
        raise PipelineError(
            f"{reference} cannot be asked without the section server of params.yaml.",
            remedy="name a params file that has it: --params params.yaml.",
        )
    return ServedLanguageModel(reference.removeprefix(SERVED), server)


def _load_network(folder: Path, *, identity: str, dtype: str) -> LanguageModel:
    import torch
    from safetensors import SafetensorError
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
    from stages.language_models.int8 import in_int8
    from stages.language_models.seq2seq import Seq2SeqLanguageModel

    require_trusted(folder)
    if dtype == INT8 and device() != "cpu":
        raise PipelineError(
            f"dtype = {INT8} is arithmetic of processors, and this machine has a GPU.",
            remedy="set generate.dtype and score.dtype to auto.",
        )
    local = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
        loader = AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM
        stored = resolve_dtype("float32" if dtype == INT8 else dtype)
        model = loader.from_pretrained(folder, **local, dtype=stored, use_safetensors=True)
        tokenizer = AutoTokenizer.from_pretrained(folder, **local)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise PipelineError(
            f"{folder} cannot be loaded as a language model: {first_line(error)}.",
            remedy="fetch the model again (`dvc repro fetch`), or name another one in models.llm.",
        ) from error
    if dtype == INT8:
        in_int8(model)
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
        found = json.loads(path.read_text(encoding="utf-8"))
        source = {name: str(found[name]) for name in ("reference", "identity")}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise PipelineError(
            f"{folder} is not a folder that stage fetch made: {path.name} cannot be read.",
            remedy="run `dvc repro fetch` or `multicsr fetch`.",
        ) from error
    return source
