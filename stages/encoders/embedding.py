"""Sentence encoders from local folders, and the vectors they give."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer

from stages.encoders.loading import load_encoder
from stages.engines.hardware import products_in
from stages.progress import Progress, silent

__all__ = ["Vectors", "embed", "load_encoder", "unit_rows"]

Vectors = NDArray[np.float32]


def embed(
    encoder: SentenceTransformer,
    sentences: Sequence[str],
    *,
    batch_sentences: int,
    unit: bool = True,
    dtype: torch.dtype = torch.float32,
    progress: Progress = silent,
) -> Vectors:
    """Return one vector a sentence, in the order given.

    Each distinct sentence is encoded once, and sentences of like length share a batch, so that
    little is computed on padding. The encoder is left in evaluation mode (no dropout).

    Args:
        encoder: See :func:`stages.encoders.loading.load_encoder`.
        sentences: Any number of sentences; may repeat.
        batch_sentences: Sentences encoded at once; memory grows with it, the result does not
            depend on it beyond rounding.
        unit: Bring every vector to length 1, as cosines need it.
        dtype: Of the matrix products, by autocast; the weights and what is returned stay float32.
        progress: Told how many distinct sentences are done.

    Returns:
        ``(sentences, width)`` float32, rows of length 1 unless ``unit`` is off.
    """
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(sentence, len(numbers)) for sentence in sentences]
    # The longest first: too little memory then shows at once, not at the end.
    distinct = sorted(numbers, key=lambda sentence: (-len(sentence), sentence))
    vectors = np.zeros((len(distinct), _width(encoder)), dtype=np.float32)
    with progress("Encoding", total=len(distinct), unit="sentences") as advance:
        for start in range(0, len(distinct), batch_sentences):
            batch = distinct[start : start + batch_sentences]
            places = [numbers[sentence] for sentence in batch]
            raw = _raw_vectors(encoder, batch, dtype)
            vectors[places] = unit_rows(raw) if unit else raw
            advance(len(batch))
    result: Vectors = vectors[rows]
    return result


def _width(encoder: SentenceTransformer) -> int:
    width = encoder.get_embedding_dimension()
    if width is None:
        width = len(_raw_vectors(encoder, ["width"], torch.float32)[0])
    return width


def unit_rows(vectors: Vectors) -> Vectors:
    """Return ``vectors`` with every row brought to length 1; a row of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = vectors / np.maximum(lengths, np.float32(1e-12))
    return unit


def _raw_vectors(encoder: SentenceTransformer, batch: list[str], dtype: torch.dtype) -> Vectors:
    with products_in(dtype, encoder.device):
        raw = encoder.encode(
            batch, batch_size=len(batch), show_progress_bar=False, convert_to_tensor=True
        )
    vectors: Vectors = raw.float().cpu().numpy()
    return vectors
