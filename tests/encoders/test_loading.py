"""Which folders load, how they pool, and what is said of those that do not."""

import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.engines.hardware import has_bfloat16, resolve_dtype
from stages.errors import PipelineError


@pytest.fixture
def folder(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "encoder"))


def test_a_plain_hugging_face_folder_gets_mean_pooling_and_says_so(
    folder: Path, tiny: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.rmtree(folder / "1_Pooling")
    for name in ("modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    with caplog.at_level(logging.WARNING, logger="stages"):
        plain = load_encoder(folder)
    assert "mean pooling" in caplog.text
    wanted = embed(load_encoder(tiny), ["A cat sleeps."], batch_sentences=1)
    np.testing.assert_allclose(embed(plain, ["A cat sleeps."], batch_sentences=1), wanted)


def test_weights_are_float32_unless_asked_for_otherwise(tiny: Path) -> None:
    assert load_encoder(tiny).dtype == torch.float32
    assert load_encoder(tiny, dtype="bfloat16").dtype == torch.bfloat16


def test_auto_means_bfloat16_only_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for able in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda able=able: {"amx_bf16": able})
        assert has_bfloat16() is able
        assert resolve_dtype("auto") is (torch.bfloat16 if able else torch.float32)
    assert resolve_dtype("bfloat16") is torch.bfloat16
    with pytest.raises(ValueError, match="float8"):
        resolve_dtype("float8")


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"nowhere is not a folder(.|\n)*remedy: run"):
        load_encoder(tmp_path / "nowhere")


def test_a_folder_without_weights_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(PipelineError, match=r"no \.safetensors"):
        load_encoder(folder)


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        PipelineError, match=r"pytorch_model\.bin; only safetensors(.|\n)*pickles can run code"
    ):
        load_encoder(folder)


def test_pickled_weights_beside_safetensors_do_no_harm(folder: Path) -> None:
    (folder / "pytorch_model.bin").write_bytes(b"not looked at")
    load_encoder(folder)


def test_a_folder_without_tokenizer_is_refused(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(PipelineError, match="no tokenizer"):
        load_encoder(folder)


def test_corrupt_weights_are_one_clear_error(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"\x00" * 100)
    with pytest.raises(PipelineError, match="is no safetensors file"):
        load_encoder(folder)


def test_foreign_code_is_never_run(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["type"] = "my_module.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "my_module.py").write_text("raise SystemExit('foreign code was run')")
    with pytest.raises(
        PipelineError, match=r"modules.json names code of its own \(type: my_module.Evil\)"
    ):
        load_encoder(folder)
