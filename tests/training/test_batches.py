"""Sentences reach the encoder in groups of like length, each once, and epochs differ in order."""

from collections import Counter
from itertools import chain
from pathlib import Path

import polars as pl
import pytest
import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformer
from sentence_transformers.util import batch_to_device

from stages.encoders.embedding import load_encoder
from stages.engines.processes import Processes
from stages.tables.columns import TEXTS
from stages.training.batches import Batch, Collator, ShuffledBatches, by_length

SENTENCES = ["a b c d e f", "a", "a b c", "f e d c b a a a a a", "b", "c d", "a a a"]


@pytest.fixture(scope="module")
def encoder(tiny: Path) -> SentenceTransformer:
    return load_encoder(tiny)


def test_groups_hold_every_sentence_once_and_know_its_place(encoder: SentenceTransformer) -> None:
    features = encoder.preprocess(SENTENCES)
    groups, places = by_length(features, group_sentences=3)
    assert [len(group["input_ids"]) for group in groups] == [3, 3, 1]
    assert sorted(places.tolist()) == list(range(len(SENTENCES)))
    ids = [row[row > 0].tolist() for group in groups for row in group["input_ids"]]
    wanted = [features["input_ids"][place] for place in places]
    assert ids == [row[row > 0].tolist() for row in wanted]


def test_no_group_carries_the_padding_of_another(encoder: SentenceTransformer) -> None:
    groups, _ = by_length(encoder.preprocess(SENTENCES), group_sentences=3)
    for group in groups:
        assert group["attention_mask"].any(dim=0).all()
        assert group["token_type_ids"].shape == group["input_ids"].shape


@pytest.mark.parametrize("side", ["right", "left"])
def test_vectors_do_not_depend_on_the_groups(tiny: Path, side: str) -> None:
    encoder = load_encoder(tiny)
    encoder.tokenizer.padding_side = side
    features = encoder.preprocess(SENTENCES)
    groups, places = by_length(features, group_sentences=2)
    wanted = encoder(dict(features))["sentence_embedding"]
    if side == "left":  # absolute positions count from where the padding ends
        wanted = torch.cat(
            [encoder(encoder.preprocess([s]))["sentence_embedding"] for s in SENTENCES]
        )
        groups, places = by_length(features, group_sentences=1)
    got = torch.cat(
        [encoder(batch_to_device(g, encoder.device))["sentence_embedding"] for g in groups]
    )
    torch.testing.assert_close(got, wanted[places], atol=1e-5, rtol=1e-5)


def test_an_encoder_without_attention_has_one_group() -> None:
    features = {"bag": torch.rand(4, 9), "task": "query"}
    groups, places = by_length(features, group_sentences=2)
    assert groups == [features]
    assert places.tolist() == [0, 1, 2, 3]


def rows_of(batch: Batch, columns: int) -> int:
    return len(batch.places) // columns


def test_processes_share_the_rows_of_a_batch_among_them(
    encoder: SentenceTransformer, triplets: pl.DataFrame
) -> None:
    rows = [{**row, "label": n} for n, row in enumerate(triplets.head(7).to_dicts())]
    parts = [
        Collator(encoder.preprocess, TEXTS, 4, 16, Processes(rank, 3))(rows)["batch"]
        for rank in range(3)
    ]
    assert [part.rows.tolist() for part in parts] == [list(range(7))] * 3
    assert [rows_of(part, 3) for part in parts] == [2, 2, 3]
    whole = Collator(encoder.preprocess, TEXTS, 4, 16)(rows)["batch"]
    assert token_counts(*parts) == token_counts(whole)


def token_counts(*batches: Batch) -> Counter[int]:
    groups = [group for batch in batches for group in batch.groups]
    return Counter(int(n) for group in groups for row in group["input_ids"] for n in row if n)


def test_a_process_without_rows_has_nothing_to_encode(
    encoder: SentenceTransformer, triplets: pl.DataFrame
) -> None:
    row = {**triplets.row(0, named=True), "label": 5}
    batch = Collator(encoder.preprocess, TEXTS, 4, 16, Processes(0, 2))([row])["batch"]
    assert (batch.rows.tolist(), list(batch.groups), len(batch.places)) == ([5], [], 0)


def test_long_sentences_are_cut(encoder: SentenceTransformer) -> None:
    rows = [{"premise": "a " * 50, "label": 0}, {"premise": "b", "label": 1}]
    batch = Collator(encoder.preprocess, ("premise", "premise"), 9, 6)(rows)["batch"]
    assert batch.groups[0]["input_ids"].shape == (4, 6)


def test_every_epoch_has_all_rows_once_in_its_own_order() -> None:
    dataset = Dataset.from_dict({"premise": ["same"] * 10})

    def epoch(number: int, seed: int = 3) -> list[list[int]]:
        batches = ShuffledBatches(dataset, batch_size=4, drop_last=False, seed=seed)
        batches.set_epoch(number)
        assert len(list(batches)) == len(batches) == 3
        return list(batches)

    assert [len(batch) for batch in epoch(0)] == [4, 4, 2]
    assert sorted(chain.from_iterable(epoch(0))) == list(range(10))
    assert epoch(0) == epoch(0)
    assert epoch(0) != epoch(1)
    assert epoch(0) != epoch(0, seed=4)
