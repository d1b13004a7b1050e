import json
import socket
import time
from pathlib import Path

import pytest

from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.model_files.installing import install
from tests.model_files.strange_files import pickled, safetensors

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def installed(text: str, folder: Path, *, sha256: str | None = None) -> dict[str, str]:
    install(
        text,
        sha256=sha256,
        folder=folder,
        random_encoder=lambda path, seed: write_random_encoder(path, seed=seed),
    )
    source: dict[str, str] = json.loads((folder / "source.json").read_text())
    return source


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(safetensors())
    (folder / "config.json").write_text("{}")
    return folder


def test_a_local_folder_is_copied_and_its_content_identified(tmp_path: Path, model: Path) -> None:
    first = installed(f"path:{model}", tmp_path / "models/base")
    assert (tmp_path / "models/base/model.safetensors").read_bytes() == safetensors()
    (model / "model.safetensors").write_bytes(safetensors(data=bytes(range(8))))
    assert installed(f"path:{model}", tmp_path / "models/base")["identity"] != first["identity"]


def test_a_failed_install_leaves_the_old_model_whole(tmp_path: Path, model: Path) -> None:
    target = tmp_path / "models/base"
    before = installed(f"path:{model}", target)
    with pytest.raises(PipelineError, match="is not a folder"):
        installed("path:nowhere", target)
    assert json.loads((target / "source.json").read_text()) == before
    assert [p.name for p in (tmp_path / "models").iterdir()] == ["base"]


def test_pickled_weights_are_refused_by_name(tmp_path: Path, model: Path) -> None:
    (model / "model.safetensors").rename(model / "pytorch_model.bin")
    with pytest.raises(PipelineError, match=r"pytorch_model\.bin; only safetensors"):
        installed(f"path:{model}", tmp_path / "models/base")


def test_pickles_and_code_beside_safetensors_are_left_behind(tmp_path: Path, model: Path) -> None:
    for name in ("pytorch_model.bin", "optimizer.pt", "modeling.py"):
        (model / name).write_bytes(pickled(tmp_path / "sign"))
    installed(f"path:{model}", tmp_path / "models/base")
    left = {path.name for path in (tmp_path / "models/base").iterdir()}
    assert left == {"model.safetensors", "config.json", "source.json"}
    assert not (tmp_path / "sign").exists()


def test_a_link_out_of_the_folder_brings_nothing_along(tmp_path: Path, model: Path) -> None:
    (tmp_path / "secret").write_text("of the user")
    (model / "README.md").symlink_to(tmp_path / "secret")
    with pytest.raises(PipelineError, match=r"README\.md is a link that leaves the folder"):
        installed(f"path:{model}", tmp_path / "models/base")
    assert not (tmp_path / "models/base").exists()


def test_a_model_that_brings_code_is_refused(tmp_path: Path, model: Path) -> None:
    (model / "config.json").write_text('{"auto_map": {"AutoModel": "evil.Model"}}')
    with pytest.raises(PipelineError, match="auto_map"):
        installed(f"path:{model}", tmp_path / "models/base")


def test_a_gguf_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.gguf").write_bytes(b"<html>")
    with pytest.raises(
        PipelineError, match=r"not a GGUF file that can be trusted: it begins with b'<htm'"
    ):
        installed(f"path:{tmp_path / 'm'}", tmp_path / "models/llm")


def test_a_truncated_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m/model.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\xff" * 20)
    with pytest.raises(
        PipelineError, match=r"model\.gguf is not a GGUF file that can be trusted: it claims"
    ):
        installed(f"path:{tmp_path / 'm'}", tmp_path / "models/llm")


def test_a_random_encoder_depends_on_its_seed(tmp_path: Path) -> None:
    first = installed("random:1", tmp_path / "a")["identity"]
    assert installed("random:1", tmp_path / "b")["identity"] == first
    assert installed("random:2", tmp_path / "c")["identity"].split("#")[1] != first.split("#")[1]


def test_the_hubs_cache_serves_a_pinned_revision_without_network(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = tmp_path / "hub/models--org--name/snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    model.rename(snapshot)
    _cut_off(monkeypatch, tmp_path / "hub")
    source = installed(f"hub:org/name@{COMMIT}", tmp_path / "models/base")
    assert source["reference"] == f"hub:org/name@{COMMIT}"
    assert (tmp_path / "models/base/model.safetensors").read_bytes() == safetensors()


def test_without_network_and_cache_the_error_names_reference_and_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _cut_off(monkeypatch, tmp_path / "hub")
    with pytest.raises(PipelineError, match=rf"hub:org/name@{COMMIT}(.|\n)*remedy: connect"):
        installed(f"hub:org/name@{COMMIT}", tmp_path / "models/base")


def _cut_off(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    from huggingface_hub import constants

    def refuse(*_: object, **__: object) -> None:
        message = "Name or service not known"
        raise socket.gaierror(message)

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    # The client tries five times and waits longer each time; a test need not.
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)
