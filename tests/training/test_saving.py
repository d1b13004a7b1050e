"""The folder that comes out: loads anywhere, holds no guide, and never half replaces another."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from stages.encoders.embedding import embed, load_encoder
from stages.errors import PipelineError
from stages.training.saving import save_encoder

LONG = "The ferry waits at noon, " * 20
CARD = "# An encoder\n"


@pytest.mark.slow
def test_any_process_with_sentence_transformers_can_load_it(tiny: Path, tmp_path: Path) -> None:
    save_encoder(load_encoder(tiny), tmp_path / "encoder", card=CARD)
    code = (
        "from sentence_transformers import SentenceTransformer\n"
        "import sys, numpy\n"
        f"encoder = SentenceTransformer({str(tmp_path / 'encoder')!r}, device='cpu')\n"
        f"vectors = encoder.encode([{LONG!r}], normalize_embeddings=True)\n"
        f"numpy.save({str(tmp_path / 'vectors.npy')!r}, vectors)\n"
        "assert not any(name.startswith('stages') for name in sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, capture_output=True)
    wanted = embed(load_encoder(tiny), [LONG], batch_sentences=1)
    np.testing.assert_allclose(np.load(tmp_path / "vectors.npy"), wanted, atol=1e-5)


def test_what_was_tokenised_last_leaves_no_trace(tiny: Path, tmp_path: Path) -> None:
    encoder = load_encoder(tiny)
    encoder.preprocess(["short", "a longer one"], max_length=4)
    save_encoder(encoder, tmp_path / "encoder", card=CARD)
    saved = load_encoder(tmp_path / "encoder")
    assert saved.max_seq_length == load_encoder(tiny).max_seq_length
    assert saved.preprocess([LONG])["input_ids"].shape[1] == 128


def test_only_safetensors_and_readable_by_all(tiny: Path, tmp_path: Path) -> None:
    save_encoder(load_encoder(tiny), tmp_path / "encoder", card=CARD)
    files = [path for path in (tmp_path / "encoder").rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    assert {path.stat().st_mode & 0o777 for path in files} == {0o644}
    assert (tmp_path / "encoder/README.md").read_text() == CARD


def test_a_new_encoder_replaces_the_old_one_entirely(tiny: Path, tmp_path: Path) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "stale.bin").write_text("from another run")
    save_encoder(load_encoder(tiny), folder, card=CARD)
    assert not (folder / "stale.bin").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_when_saving_fails_the_old_encoder_stays_whole(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "model.safetensors").write_text("the old one")
    encoder = load_encoder(tiny)

    def full(*args: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(encoder, "save_pretrained", full)
    with pytest.raises(PipelineError, match=r"No space left(.|\n)*untouched(.|\n)*free disk space"):
        save_encoder(encoder, folder, card=CARD)
    assert (folder / "model.safetensors").read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]
