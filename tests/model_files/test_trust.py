"""What a folder of model files may hold, and what each refusal says."""

import json
import os
import struct
from pathlib import Path

import pytest

from stages.errors import PipelineError
from stages.model_files.trust import require_trusted
from tests.model_files.strange_files import pickled, safetensors


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(safetensors())
    (folder / "config.json").write_text('{"model_type": "bert", "activation_function": "gelu_new"}')
    (folder / "1_Pooling/config.json").write_text('{"activation_function": "torch.nn.Tanh"}')
    modules = [
        {"idx": 0, "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def refusal(model: Path) -> str:
    with pytest.raises(PipelineError) as told:
        require_trusted(model)
    assert told.value.remedy
    return told.value.cause


def test_an_ordinary_model_is_trusted(model: Path) -> None:
    require_trusted(model)


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "weights.pt", "model.pkl", "last.ckpt", "tf_model.h5", "w.PTH"]
)
def test_weights_in_any_other_form_are_refused_by_name(model: Path, name: str) -> None:
    (model / "model.safetensors").unlink()
    (model / name).write_bytes(pickled(model / "sign"))
    assert f"{name}; only safetensors and GGUF" in refusal(model)
    assert not (model / "sign").exists()


def test_pickles_beside_safetensors_are_let_be(model: Path) -> None:
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (model / name).write_bytes(b"never opened")
    require_trusted(model)


def test_a_module_with_pickled_weights_is_refused_whatever_lies_beside(model: Path) -> None:
    (model / "2_Dense").mkdir()
    (model / "2_Dense/pytorch_model.bin").write_bytes(pickled(model / "sign"))
    (model / "2_Dense/other.safetensors").write_bytes(safetensors())
    assert "2_Dense/pytorch_model.bin" in refusal(model)


FOREIGN = [
    ("config.json", {"auto_map": {"AutoModel": "evil.Model"}}, "auto_map"),
    ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["evil.T", None]}}, "evil.T"),
    ("processor_config.json", {"deep": [{"auto_map": {"a": "b"}}]}, "auto_map"),
    ("config.json", {"custom_pipelines": {"x": {"impl": "evil.P"}}}, "custom_pipelines"),
    ("sentence_bert_config.json", {"model_args": {"trust_remote_code": True}}, "trust_remote_code"),
    ("config.json", {"_attn_implementation": "evil/kernels"}, "evil/kernels"),
    ("config.json", {"text": {"attn_implementation": "evil/k@main:x"}}, "evil/k"),
    ("1_Pooling/config.json", {"activation_function": "os.system"}, "os.system"),
    ("modules.json", [{"type": "evil.Module", "path": ""}], "evil.Module"),
    ("modules.json", [{"type": ["sentence_transformers.x"], "path": ""}], "type"),
    ("modules.json", [{"type": "sentence_transformers_evil.M", "path": ""}], "_evil"),
    ("router_config.json", {"types": {"query": "evil.Router"}}, "evil.Router"),
]


@pytest.mark.parametrize(("name", "content", "named"), FOREIGN)
def test_a_configuration_that_names_code_is_refused(
    model: Path, name: str, content: object, named: str
) -> None:
    (model / name).write_text(json.dumps(content))
    said = refusal(model)
    assert name in said
    assert named in said
    assert "never run" in said


def test_an_escaped_name_is_the_same_name(model: Path) -> None:
    (model / "config.json").write_text('{"auto\\u005fmap": {"AutoModel": "evil.Model"}}')
    assert "auto_map" in refusal(model)


@pytest.mark.parametrize("path", ["../outside", "/etc", "..", ".hidden", 7])
def test_modules_lie_inside_of_the_folder(model: Path, path: object) -> None:
    content = [{"type": "sentence_transformers.models.Pooling", "path": path}]
    (model / "modules.json").write_text(json.dumps(content))
    assert "is not inside the folder" in refusal(model)


@pytest.mark.parametrize(
    "shard", ["../other.safetensors", "/x.safetensors", "pytorch_model.bin", "a\\b.safetensors"]
)
def test_an_index_names_safetensors_beside_it(model: Path, shard: str) -> None:
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": shard}}))
    assert "no safetensors file beside it" in refusal(model)


def test_an_adapter_is_refused_for_its_weights_lie_elsewhere(model: Path) -> None:
    (model / "adapter_config.json").write_text('{"base_model_name_or_path": "evil/model"}')
    assert "adapter" in refusal(model)


HEADER = {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
WRONG_HEADERS = {
    "empty": b"",
    "a few bytes": b"\x08\x00",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "length beyond the file": struct.pack("<Q", 2**63) + b"{}",
    "length of all there is": struct.pack("<Q", 3) + b"{}",
    "no JSON": safetensors(b"\xff\xfe\x00"),
    "a list": safetensors([1, 2]),
    "too little data": safetensors(HEADER, data=bytes(7)),
    "too much data": safetensors(HEADER, data=bytes(9)),
    "a hole": safetensors({"w": {**HEADER["w"], "data_offsets": [8, 16]}}, data=bytes(16)),
    "backwards": safetensors({"w": {**HEADER["w"], "data_offsets": [8, 0]}}),
    "negative": safetensors({"w": {**HEADER["w"], "data_offsets": [-8, 0]}}),
    "unknown type": safetensors({"w": {**HEADER["w"], "dtype": "PICKLE"}}),
    "overflow": safetensors({"w": {**HEADER["w"], "shape": [2**62, 2**62, 16]}}),
    "other shape": safetensors({"w": {**HEADER["w"], "shape": [3]}}),
    "nested deeply": safetensors(b'{"w":' * 50_000),
}


@pytest.mark.parametrize("name", WRONG_HEADERS)
def test_a_wrong_header_of_safetensors_is_refused(model: Path, name: str) -> None:
    (model / "model.safetensors").write_bytes(WRONG_HEADERS[name])
    assert "model.safetensors is no safetensors file" in refusal(model)


def test_malformed_configurations_are_one_clear_error(model: Path) -> None:
    for content in (b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}"):
        (model / "config.json").write_bytes(content)
        assert "config.json cannot be read as JSON" in refusal(model)


def test_devices_pipes_and_linked_folders_are_refused(model: Path, tmp_path: Path) -> None:
    os.mkfifo(model / "README.md")
    assert "README.md is a device, a pipe or a socket" in refusal(model)
    (model / "README.md").unlink()
    (model / "zero").symlink_to("/dev/zero")
    assert "zero is a device" in refusal(model)
    (model / "zero").unlink()
    (tmp_path / "elsewhere").mkdir()
    (model / "2_Dense").symlink_to(tmp_path / "elsewhere")
    assert "2_Dense is a link to a folder" in refusal(model)


def test_hidden_files_and_links_to_files_are_no_trouble(model: Path, tmp_path: Path) -> None:
    (model / ".git").mkdir()
    (model / ".git/pytorch_model.bin").write_bytes(b"no loader looks here")
    (model / "model.safetensors").rename(tmp_path / "blob")
    (model / "model.safetensors").symlink_to(tmp_path / "blob")
    require_trusted(model)
