"""The tiny encoder is the same for the same seed, and tells sentences apart."""

from pathlib import Path

import numpy as np

from stages.encoders.embedding import embed, load_encoder
from stages.encoders.tiny import write_random_encoder


def test_the_same_seed_gives_the_same_bytes(tiny: Path, tmp_path: Path) -> None:
    write_random_encoder(tmp_path / "again", seed=1)
    write_random_encoder(tmp_path / "other", seed=2)
    files = [file.relative_to(tiny) for file in tiny.rglob("*") if file.is_file()]
    assert all(
        (tiny / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files
    )
    weights = [(folder / "model.safetensors").read_bytes() for folder in (tiny, tmp_path / "other")]
    assert weights[0] != weights[1]


def test_shared_words_bring_sentences_together(tiny: Path) -> None:
    sentences = [
        "The old ferry left at noon.",
        "The old ferry left at dawn.",
        "Why would 7 x 8 be 54?",
    ]
    near, far = (
        embed(load_encoder(tiny), sentences, batch_sentences=3)[1:]
        @ embed(load_encoder(tiny), sentences[:1], batch_sentences=1).T
    )
    assert near > far
    assert far < 0.95


def test_any_script_can_be_encoded(tiny: Path) -> None:
    vectors = embed(load_encoder(tiny), ["Привет, мир", "你好", "", "🙂"], batch_sentences=2)
    assert np.isfinite(vectors).all()
