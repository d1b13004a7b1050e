"""Sentence encoders from local folders: safetensors only, nothing downloaded, no foreign code."""

import json
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from stages.encoders.poolers import AUTO, pooler_of, repool, warn_of_wrong_pooler
from stages.encoders.quiet import no_progress_bars
from stages.engines.hardware import device, resolve_dtype
from stages.errors import PipelineError, first_line
from stages.model_files.trust import require_trusted

log = logging.getLogger(__name__)

__all__ = ["load_encoder", "no_progress_bars"]

MODULES = "modules.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


def load_encoder(
    path: Path, *, dtype: str = "float32", pooler: str = AUTO, template: str = ""
) -> SentenceTransformer:
    """Load the sentence encoder in the folder ``path`` onto the GPU, or the CPU if there is none.

    With the pooler `auto`, a sentence-transformers folder brings its own pooling; a plain Hugging
    Face folder (no modules.json) gets mean pooling, which is said in a warning. So is a pooler that
    a model is known not to be made for. Only safetensors are read.

    Args:
        path: Folder of the encoder.
        dtype: Type of the weights, see :func:`stages.engines.hardware.resolve_dtype`. Cosines
            of bfloat16 vectors come in steps of 0.004, too coarse to rank pairs by.
        pooler: See :func:`stages.encoders.poolers.repool`.
        template: Of the pooler `prompt_mask`.

    Raises:
        PipelineError: When the folder is missing, lacks weights or a tokenizer, does not load, or
            cannot pool in this way.
    """
    check_folder(path)
    encoder = _loaded(path, dtype)
    _check_weights(path, encoder)
    has_modules = (path / MODULES).is_file()
    own = pooler_of(encoder) if has_modules else None
    repool(encoder, pooler=pooler, template=template)
    if not has_modules and pooler == AUTO:
        log.warning(
            "%s has no %s: taking the mean of its token vectors (mean pooling)", path, MODULES
        )
    warn_of_wrong_pooler(path, encoder, own=own)
    return encoder


def _loaded(path: Path, dtype: str) -> SentenceTransformer:
    try:
        with no_progress_bars():
            return _load(path, resolve_dtype(dtype))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise PipelineError(
            f"{path} cannot be loaded as a sentence encoder: {first_line(error)}.",
            remedy="fetch the model again (`dvc repro fetch`), or name another one in models.*.",
        ) from error


def _load(path: Path, dtype: torch.dtype) -> SentenceTransformer:
    weights = {"dtype": dtype, "use_safetensors": True}
    local = {"local_files_only": True, "trust_remote_code": False}
    if (path / MODULES).is_file():
        return SentenceTransformer(
            str(path),
            device=device(),
            model_kwargs=weights,
            local_files_only=True,
            trust_remote_code=False,
        )
    transformer = Transformer(
        str(path),
        model_kwargs={**weights, **local},
        processor_kwargs=dict(local),
        config_kwargs=dict(local),
    )
    pooling = Pooling(transformer.get_embedding_dimension(), pooling_mode="mean")
    return SentenceTransformer(modules=[transformer, pooling], device=device())


def check_folder(path: Path) -> None:
    """Check that ``path`` looks like an encoder that can be loaded.

    Raises:
        PipelineError: When it is no folder, holds pickled weights or names code of its own, or
            lacks safetensors or a tokenizer.
    """
    if not path.is_dir():
        raise PipelineError(
            f"{path} is not a folder, so there is no encoder to load.",
            remedy="run `dvc repro fetch` first, or mend the path.",
        )
    require_trusted(path)
    if next(path.rglob("*.safetensors"), None) is None:
        raise PipelineError(
            f"{path} holds no .safetensors file, so there are no weights to load.",
            remedy="fetch the model again, or take a revision that ships model.safetensors.",
        )
    if not any(next(path.rglob(name), None) for name in _tokenizer_files(path)):
        raise PipelineError(
            f"{path} holds no tokenizer (looked for {', '.join(TOKENIZER_FILES)}).",
            remedy="copy the tokenizer of the model into the folder, or fetch the model again.",
        )


def _check_weights(path: Path, encoder: SentenceTransformer) -> None:
    """Refuse weights of another architecture: transformers fills what is missing with noise."""
    if not isinstance(encoder[0], Transformer):
        return
    wanted = set(encoder[0].model.state_dict())
    found: set[str] = set()
    for file in path.rglob("*.safetensors"):
        with safe_open(file, framework="pt") as weights:
            found.update(weights.keys())
    ends = {".".join(name.split(".")[cut:]) for name in found for cut in range(name.count("."))}
    if len(wanted & ends) < len(wanted) / 2:
        raise PipelineError(
            f"{path} holds only {len(wanted & ends)} of the {len(wanted)} weights that its "
            "config.json speaks of; the others would be random.",
            remedy="fetch the model again, or name an encoder whose files belong together.",
        )


def _tokenizer_files(path: Path) -> tuple[str, ...]:
    return (*TOKENIZER_FILES, _declared_vocabulary(path))


def _declared_vocabulary(path: Path) -> str:
    """Return the vocabulary file that tokenizer_config.json names, for uncommon tokenizers."""
    try:
        declared = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
        return str(declared["vocab_file"])
    except (OSError, ValueError, KeyError, TypeError):
        return TOKENIZER_FILES[0]
