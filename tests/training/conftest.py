"""Tiny encoders and triplets for the tests of the workshop."""

from pathlib import Path

import polars as pl
import pytest

from stages.encoders.embedding import load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.training.guide import GuideVectors, write_guide_vectors
from stages.training.recipe import Recipe

NOUNS = [
    "ferry",
    "kettle",
    "orchard",
    "violin",
    "glacier",
    "ledger",
    "beetle",
    "parrot",
    "turbine",
    "blanket",
]
VERBS = ["waits", "shines", "breaks", "travels"]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_random_encoder(folder, seed=1)
    return folder


@pytest.fixture(scope="session")
def triplets() -> pl.DataFrame:
    rows = [(noun, verb) for noun in NOUNS for verb in VERBS]
    return pl.DataFrame(
        {
            "premise": [f"The {noun} {verb} at noon." for noun, verb in rows],
            "entailment": [f"At noon, a {noun} {verb}." for noun, verb in rows],
            "contradiction": [f"No {noun} ever {verb}." for noun, verb in rows],
        }
    )


@pytest.fixture(scope="session")
def pairs(triplets: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "sentence1": triplets["premise"].to_list() * 2,
            "sentence2": [*triplets["entailment"], *triplets["contradiction"]],
            "score": [5.0 - number % 3 / 4 for number in range(40)] + [0.5] * 40,
        }
    )


@pytest.fixture(scope="session")
def guide(
    tiny: Path, triplets: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> GuideVectors:
    return write_guide_vectors(
        tmp_path_factory.mktemp("guide"), lambda: load_encoder(tiny), triplets
    )


@pytest.fixture(scope="session")
def recipe() -> Recipe:
    return Recipe(
        objective="masked",
        anchors="premises",
        sigma=0.9,
        tau=0.05,
        hard_negative_weight=0.0,
        batch_triplets=8,
        mini_batch_triplets=None,
        allow_duplicates=False,
        learning_rate=1e-3,
        epochs=2,
        warmup_ratio=0.1,
        weight_decay=0.01,
        clip_norm=1.0,
        max_tokens=16,
        eval_steps=3,
        early_stopping=None,
        dtype="float32",
        seed=7,
    )
