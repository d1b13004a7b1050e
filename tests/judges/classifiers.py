"""Tiny classifiers of sentence pairs with random weights, written on the spot."""

import string
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertModel, BertTokenizer

from stages.encoders.loading import no_progress_bars

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
LABELS = ("contradiction", "entailment", "neutral")


def write_classifier(
    folder: Path, labels: Sequence[str] = LABELS, *, headless: bool = False
) -> None:
    """Write an untrained BERT that sorts pairs into ``labels``; headless without its last layer."""
    letters = [*string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    vocabulary = [*SPECIAL_TOKENS, *string.punctuation, *letters]
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        initializer_range=0.5,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
    )
    with torch.random.fork_rng(devices=[]), no_progress_bars():
        torch.manual_seed(5)
        model = BertModel(config) if headless else BertForSequenceClassification(config)
        model.save_pretrained(folder)
        tokens = {token: number for number, token in enumerate(vocabulary)}
        BertTokenizer(vocab=tokens).save_pretrained(folder)
