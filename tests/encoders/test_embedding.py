"""Sentences in, unit vectors out, and nothing computed twice."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from stages.encoders.embedding import embed, load_encoder

SENTENCES = ["A cat sleeps.", "Rain.", "The committee has not yet decided.", "Rain."]


@pytest.fixture
def encoder(tiny: Path) -> SentenceTransformer:
    return load_encoder(tiny)


def test_each_sentence_gets_the_direction_that_sentence_transformers_gives_it(
    encoder: SentenceTransformer,
) -> None:
    vectors = embed(encoder, SENTENCES, batch_sentences=2)
    wanted = encoder.encode(SENTENCES, normalize_embeddings=True, show_progress_bar=False)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, wanted, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_bfloat16_products_move_a_vector_a_little_and_leave_the_weights_alone(
    encoder: SentenceTransformer,
) -> None:
    wanted = embed(encoder, SENTENCES, batch_sentences=2)
    vectors = embed(encoder, SENTENCES, batch_sentences=2, dtype=torch.bfloat16)
    assert vectors.dtype == np.float32
    assert not np.array_equal(vectors, wanted)
    assert ((vectors * wanted).sum(axis=1) > 0.999).all()
    assert np.array_equal(embed(encoder, SENTENCES, batch_sentences=2), wanted)


def test_a_repeated_sentence_is_encoded_once_and_batches_have_like_lengths(
    encoder: SentenceTransformer, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[str]] = []
    encode = encoder.encode

    def noting(batch: list[str], **options: object) -> object:
        batches.append(list(batch))
        return encode(batch, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(encoder, "encode", noting)
    vectors = embed(encoder, SENTENCES, batch_sentences=2)
    assert batches == [["The committee has not yet decided.", "A cat sleeps."], ["Rain."]]
    assert np.array_equal(vectors[1], vectors[3])


def test_progress_counts_distinct_sentences(encoder: SentenceTransformer) -> None:
    done: list[int] = []
    totals: list[int] = []

    @contextmanager
    def progress(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        totals.append(total)
        yield done.append

    embed(encoder, SENTENCES, batch_sentences=2, progress=progress)
    assert totals == [3]
    assert sum(done) == 3


def test_no_sentences_give_no_rows(encoder: SentenceTransformer) -> None:
    assert embed(encoder, [], batch_sentences=2).shape == (0, 32)
