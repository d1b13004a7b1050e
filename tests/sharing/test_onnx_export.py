"""The export gives the encoder's vectors, with nothing but its own files."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.sharing import onnx_export
from stages.sharing.onnx_export import export_onnx, greatest_difference, onnx_vectors, require_onnx

exports = pytest.mark.models  # ten seconds each: the exporter itself is slow to wake
TEMPLATE = 'This sentence : "{sentence}" means [MASK].'
SENTENCES = ["A kettle.", "The ferry waits at noon, " * 30, "Rain on the roof."]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_random_encoder(folder, seed=1)
    return folder


@exports
@pytest.mark.parametrize("pooler", ["cls", "mean", "prompt_mask"])
def test_vectors_are_equal_for_sentences_of_any_length(
    pooler: str, tiny: Path, tmp_path: Path
) -> None:
    encoder = load_encoder(tiny, pooler=pooler, template=TEMPLATE).cpu()
    export_onnx(encoder, tmp_path / "onnx")
    names = sorted(path.name for path in (tmp_path / "onnx").iterdir())
    assert names == ["README.md", "model.onnx", "tokenizer.json"]
    assert greatest_difference(encoder, tmp_path / "onnx") < 1e-5
    wanted = embed(encoder, SENTENCES, batch_sentences=3)
    np.testing.assert_allclose(onnx_vectors(tmp_path / "onnx", SENTENCES), wanted, atol=1e-5)


@exports
def test_the_readme_s_code_runs_with_the_files_beside_it(tiny: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny).cpu()
    export_onnx(encoder, tmp_path / "onnx")
    code = re.search(r"```python\n(.*?)```", (tmp_path / "onnx/README.md").read_text(), re.DOTALL)
    assert code is not None
    program = code.group(1) + "import sys\nassert 'torch' not in sys.modules\n"
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        cwd=tmp_path / "onnx",
        capture_output=True,
        text=True,
    )
    one, other = embed(
        encoder, ["A man is playing a guitar.", "Someone plays an instrument."], batch_sentences=2
    )
    assert float(done.stdout) == pytest.approx(one @ other, abs=1e-5)


@exports
def test_an_export_of_other_weights_is_refused(tiny: Path, tmp_path: Path) -> None:
    export_onnx(load_encoder(tiny).cpu(), tmp_path / "onnx")
    write_random_encoder(tmp_path / "other", seed=2)
    with pytest.raises(PipelineError, match="gives other vectors than the encoder"):
        greatest_difference(load_encoder(tmp_path / "other").cpu(), tmp_path / "onnx")


def test_without_the_extra_the_remedy_is_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(onnx_export, "NEEDED", ("onnx_that_is_not_there",))
    with pytest.raises(PipelineError, match=r"remedy: pip install 'multicsr\[onnx\]'"):
        require_onnx()


@exports
def test_the_real_encoder_s_export_is_equal(real_models: dict[str, Path], tmp_path: Path) -> None:
    encoder = load_encoder(real_models["base"]).cpu()
    export_onnx(encoder, tmp_path / "onnx")
    assert greatest_difference(encoder, tmp_path / "onnx") < 1e-5
