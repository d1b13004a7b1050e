"""Unsupervised SimCSE lives on dropout; where it stands does not matter, that it is there does."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaModel

from stages.encoders.embedding import load_encoder
from stages.errors import PipelineError
from stages.training.dropout import check_dropout


def decoder(folder: Path, tokenizer: Path, *, dropout: float) -> Path:
    """Write a small decoder with random weights, which has no module for its dropout."""
    torch.manual_seed(3)
    words = AutoTokenizer.from_pretrained(tokenizer)
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        attention_dropout=dropout,
    )
    LlamaModel(config).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def test_an_encoder_with_modules_for_it_passes_in_training_mode(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    check_dropout(encoder)
    assert encoder.training


def test_a_decoder_that_drops_attention_passes(tiny: Path, tmp_path: Path) -> None:
    check_dropout(load_encoder(decoder(tmp_path / "llama", tiny, dropout=0.1), pooler="mean"))


def test_a_decoder_that_drops_nothing_is_refused(tiny: Path, tmp_path: Path) -> None:
    encoder = load_encoder(decoder(tmp_path / "llama", tiny, dropout=0.0), pooler="mean")
    with pytest.raises(PipelineError, match=r"has none(.|\n)*attention_dropout"):
        check_dropout(encoder)


def test_the_question_draws_no_random_number(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    check_dropout(encoder)
    assert torch.equal(torch.rand(3), wanted)
