"""Folders as stage ``fetch`` leaves them become language models of the right kind."""

import json
from pathlib import Path

import pytest
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from stages.engines.hardware import hardware_here
from stages.errors import PipelineError
from stages.language_models.causal import CausalLanguageModel
from stages.language_models.loading import language_model_at, load_language_model
from stages.language_models.protocol import Decoding, Prompt, Request
from stages.language_models.scripted import ScriptedLanguageModel
from stages.language_models.seq2seq import Seq2SeqLanguageModel

GREEDY = Decoding(omega=0.3, plausibility=0, temperature=0, top_p=1, max_new_tokens=4, seed=1)
REQUEST = Request(Prompt("Same: ", "Tea is hot."), Prompt("Not: ", "Tea is hot."), "1")


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("llama", CausalLanguageModel), ("t5", Seq2SeqLanguageModel), ("bart", Seq2SeqLanguageModel)],
)
def test_a_saved_model_writes_as_it_did_before(
    kind: str,
    expected: type[CausalLanguageModel | Seq2SeqLanguageModel],
    tokenizer: PreTrainedTokenizerFast,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    network: PreTrainedModel = request.getfixturevalue(kind)
    saved(tmp_path, network, tokenizer)
    loaded = load_language_model(tmp_path, dtype="float32")
    assert isinstance(loaded, expected)
    assert loaded.identity == "path:somewhere torch.float32"
    before = expected(network, tokenizer, identity="")
    assert loaded.write([REQUEST], GREEDY) == before.write([REQUEST], GREEDY)


def saved(folder: Path, network: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> None:
    network.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    source = {"reference": "path:somewhere", "identity": "path:somewhere"}
    (folder / "source.json").write_text(json.dumps(source))


@pytest.mark.parametrize("kind", ["llama", "t5", "bart"])
def test_a_saved_model_of_any_kind_computes_in_int8_where_it_is_told_to(
    kind: str, tokenizer: PreTrainedTokenizerFast, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    saved(tmp_path, request.getfixturevalue(kind), tokenizer)
    loaded = load_language_model(tmp_path, dtype="int8")
    assert loaded.identity == "path:somewhere torch.int8"
    on_demand = language_model_at(tmp_path, hardware_here(), dtype="int8")
    assert on_demand.identity == loaded.identity
    assert on_demand.write([REQUEST], GREEDY) == loaded.write([REQUEST], GREEDY)


def test_int8_is_refused_on_a_gpu(
    llama: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    saved(tmp_path, llama, tokenizer)
    monkeypatch.setattr("stages.engines.hardware.device", lambda: "cuda")
    with pytest.raises(PipelineError, match=r"int8 is arithmetic of processors(.|\n)*to auto"):
        load_language_model(tmp_path, dtype="int8")


def test_the_scripted_model_needs_no_files(tmp_path: Path) -> None:
    source = {"reference": "scripted:", "identity": "scripted:"}
    (tmp_path / "source.json").write_text(json.dumps(source))
    assert isinstance(load_language_model(tmp_path), ScriptedLanguageModel)


def test_a_folder_that_fetch_did_not_make_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"source\.json cannot be read(.|\n)*dvc repro fetch"):
        load_language_model(tmp_path)
