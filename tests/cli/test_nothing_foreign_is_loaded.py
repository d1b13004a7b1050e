"""Every way to load a model refuses pickles and code, by name and before anything is opened."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stages.encoders.loading import load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.judges.by_entailment import load_classifier
from stages.judges.loading import Folders, load_judge
from stages.language_models.loading import load_language_model
from stages.model_files.installing import install
from tests.cli.running import ROOT, Run
from tests.model_files.strange_files import pickled

Load = Callable[[Path], object]


def through_the_judge(name: str) -> Load:
    def load(folder: Path) -> object:
        folders = Folders(llm=folder, encoder=folder, nli=folder)
        return load_judge(name, folders, dtype="float32")

    return load


def installed(folder: Path) -> None:
    install(f"path:{folder}", sha256=None, folder=folder.parent / "m/x", random_encoder=print)


WAYS: dict[str, Load] = {
    "base and guide": load_encoder,
    "nli": lambda folder: load_classifier(folder, identity="x"),
    "llm": lambda folder: load_language_model(folder, dtype="float32"),
    "judge likelihood": through_the_judge("likelihood"),
    "judge encoder": through_the_judge("encoder"),
    "judge nli": through_the_judge("nli"),
    "fetch": installed,
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_random_encoder(folder, seed=1)
    (folder / "source.json").write_text('{"reference": "path:x", "identity": "path:x#0"}')
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.mark.parametrize("way", WAYS)
def test_pickled_weights_are_refused_by_name(way: str, folder: Path) -> None:
    sign = folder.parent / "sign"
    for weights in folder.rglob("*.safetensors"):
        weights.unlink()
        weights.with_name("pytorch_model.bin").write_bytes(pickled(sign))
    with pytest.raises(PipelineError, match=r"pytorch_model\.bin; only safetensors and GGUF"):
        WAYS[way](folder)
    assert not sign.exists()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_code_is_refused_by_name_and_nobody_is_asked(way: str, name: str, folder: Path) -> None:
    config = json.loads((folder / name).read_text(encoding="utf-8"))
    classes = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model", "AutoTokenizer": "evil.T"}
    (folder / name).write_text(json.dumps({**config, "auto_map": classes}))
    (folder / "evil.py").write_text(f"open({str(folder.parent / 'sign')!r}, 'w')")
    with pytest.raises(PipelineError, match=f"{name} names code of its own .auto_map"):
        WAYS[way](folder)
    assert not (folder.parent / "sign").exists()


def test_the_command_line_says_it_in_one_error(folder: Path, project: Path, run: Run) -> None:
    sentences = folder.parent / "sentences.txt"
    sentences.write_text("One.\nTwo.\n")
    modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    modules[1]["type"] = "evil.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    out = folder.parent / "out.npy"
    code, _, said = run("encode", str(sentences), "--out", str(out), "--model", str(folder))
    assert code == 2
    assert "names code of its own (type: evil.Module), which is never run" in said
    assert not out.exists()
    code, _, said = run(
        "evaluate-encoder", str(folder), "--benchmarks", str(ROOT / "data/starter/benchmarks")
    )
    assert code == 2
    assert "evil.Module" in said
