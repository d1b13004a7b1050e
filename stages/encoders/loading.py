"""Sentence encoders from local folders: safetensors only, nothing downloaded, no foreign code."""

import contextlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers.utils import logging as transformers_logging

from stages.engines.hardware import device, resolve_dtype
from stages.errors import PipelineError

log = logging.getLogger(__name__)

TOKENIZER_FILES = (
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
)


def load_encoder(path: Path, *, dtype: str = "float32") -> SentenceTransformer:
    """Load the sentence encoder in the folder ``path`` onto the GPU, or the CPU if there is none.

    A sentence-transformers folder brings its own pooling; a plain Hugging Face folder (no
    modules.json) gets mean pooling, which is said in a warning. Only safetensors are read.

    Args:
        path: Folder of the encoder.
        dtype: Type of the weights, see :func:`stages.engines.hardware.resolve_dtype`. Cosines
            of bfloat16 vectors come in steps of 0.004, too coarse to rank pairs by.

    Raises:
        PipelineError: When the folder is missing, lacks weights or a tokenizer, or does not load.
    """
    check_folder(path)
    try:
        with no_progress_bars():
            return _load(path, resolve_dtype(dtype))
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        first_line = str(error).strip().split("\n", maxsplit=1)[0]
        raise PipelineError(
            f"{path} cannot be loaded as a sentence encoder: {first_line}",
            remedy="fetch the model again (`dvc repro fetch`), or name another one in models.*.",
        ) from error


@contextlib.contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep transformers from drawing its own progress bars."""
    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _load(path: Path, dtype: torch.dtype) -> SentenceTransformer:
    weights = {"dtype": dtype, "use_safetensors": True}
    local = {"local_files_only": True, "trust_remote_code": False}
    if (path / "modules.json").is_file():
        return SentenceTransformer(
            str(path),
            device=device(),
            model_kwargs=weights,
            local_files_only=True,
            trust_remote_code=False,
        )
    log.warning("%s has no modules.json: taking the mean of its token vectors (mean pooling)", path)
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
        PipelineError: When it is no folder, or lacks safetensors or a tokenizer.
    """
    if not path.is_dir():
        raise PipelineError(
            f"{path} is not a folder, so there is no encoder to load.",
            remedy="run `dvc repro fetch` first, or mend the path.",
        )
    if pickled := _pickled_only(path):
        raise PipelineError(
            f"{pickled} holds pickled weights and no safetensors; pickles can run code.",
            remedy="take a revision of the model that ships model.safetensors.",
        )
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


def _tokenizer_files(path: Path) -> tuple[str, ...]:
    return (*TOKENIZER_FILES, _declared_vocabulary(path))


def _declared_vocabulary(path: Path) -> str:
    """Return the vocabulary file that tokenizer_config.json names, for uncommon tokenizers."""
    try:
        declared = json.loads((path / "tokenizer_config.json").read_text(encoding="utf-8"))
        return str(declared["vocab_file"])
    except (OSError, ValueError, KeyError, TypeError):
        return TOKENIZER_FILES[0]


def _pickled_only(path: Path) -> Path | None:
    """Return the first folder with pytorch_model*.bin and without safetensors beside it."""
    for weights in sorted(path.rglob("pytorch_model*.bin")):
        if not any(weights.parent.glob("*.safetensors")):
            return weights.parent
    return None
