"""Unsupervised SimCSE lives on dropout; where it stands does not matter, that it is there does."""

from pathlib import Path

import pytest
import torch

from stages.encoders.embedding import load_encoder
from stages.errors import PipelineError
from stages.training.dropout import check_dropout
from tests.encoders.decoders import write_decoder


def test_an_encoder_with_modules_for_it_passes_in_training_mode(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    check_dropout(encoder)
    assert encoder.training


def test_a_decoder_that_drops_attention_passes(tiny: Path, tmp_path: Path) -> None:
    check_dropout(load_encoder(write_decoder(tmp_path / "llama", tiny, dropout=0.1), pooler="mean"))


def test_a_decoder_that_drops_nothing_is_refused(tiny: Path, tmp_path: Path) -> None:
    encoder = load_encoder(write_decoder(tmp_path / "llama", tiny, dropout=0.0), pooler="mean")
    with pytest.raises(PipelineError, match=r"has none(.|\n)*attention_dropout"):
        check_dropout(encoder)


def test_the_question_draws_no_random_number(tiny: Path) -> None:
    encoder = load_encoder(tiny)
    torch.manual_seed(11)
    wanted = torch.rand(3)
    torch.manual_seed(11)
    check_dropout(encoder)
    assert torch.equal(torch.rand(3), wanted)
