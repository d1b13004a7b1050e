"""grids/lower_layers.py cuts an encoder out of a language model, and nothing is lost on the way."""

import runpy
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, LlamaModel

from stages.encoders.embedding import load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.training.dropout import check_dropout
from tests.encoders.decoders import write_decoder
from tests.pipeline.imports import ROOT

SENTENCES = ["A kettle sings in the kitchen.", "Boats.", "Nobody heard the violin that evening."]
KEPT = 2


@pytest.fixture(scope="module")
def language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small decoder of three layers with lively random weights, and return its folder."""
    folder = tmp_path_factory.mktemp("models") / "llm"
    write_random_encoder(folder.with_name("words"), seed=1)
    return write_decoder(folder, folder.with_name("words"), layers=3, initializer_range=0.3)


@pytest.fixture(scope="module")
def encoder(language_model: Path) -> Path:
    target = language_model.with_name("raw")
    runpy.run_path(str(ROOT / "grids/lower_layers.py"))["cut"](
        language_model, target, layers=KEPT, dropout=0.1
    )
    return target


def test_it_says_what_the_lower_layers_say_on_average(language_model: Path, encoder: Path) -> None:
    whole = LlamaModel.from_pretrained(language_model).eval()
    words = AutoTokenizer.from_pretrained(language_model)
    got = load_encoder(encoder).encode(SENTENCES, convert_to_tensor=True)
    for sentence, vector in zip(SENTENCES, got, strict=True):
        with torch.no_grad():
            states = whole(**words(sentence, return_tensors="pt"), output_hidden_states=True)
            wanted = whole.norm(states.hidden_states[KEPT])[0].mean(dim=0)
        torch.testing.assert_close(vector, wanted, rtol=1e-4, atol=1e-5)


def test_it_drops_attention_so_that_simcse_can_learn(encoder: Path) -> None:
    check_dropout(load_encoder(encoder))
