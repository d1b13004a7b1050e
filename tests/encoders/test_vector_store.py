"""A sentence meets an encoder once; damage and changes are noticed; blocks leave nothing behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from stages.encoders import vector_store
from stages.encoders.embedding import embed, load_encoder
from stages.encoders.vector_store import VectorStore, identity
from stages.engines.digests import model_digest
from stages.errors import PipelineError
from tests.engines.test_disk import Disk

SENTENCES = ["A cat sleeps.", "Rain.", "The committee has not yet decided.", "Rain.", ""]


def opened(encoder: Path, work: Path, *, batch: int = 2) -> VectorStore:
    return VectorStore(encoder, work=work, batch_sentences=batch)


@pytest.fixture
def no_encoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        pytest.fail("something was encoded again")

    monkeypatch.setattr(vector_store, "embed", fail)
    monkeypatch.setattr(vector_store, "load_encoder", fail)


def test_vectors_are_those_of_the_encoder_in_the_order_asked(tiny: Path, tmp_path: Path) -> None:
    store = opened(tiny, tmp_path)
    model = load_encoder(tiny)
    for unit in (True, False):
        wanted = embed(model, SENTENCES, batch_sentences=2, unit=unit)
        np.testing.assert_allclose(store.vectors(SENTENCES, unit=unit), wanted, atol=1e-6)
    raw = np.linalg.norm(store.vectors(SENTENCES, unit=False), axis=1)
    assert not np.allclose(raw, 1)


def test_each_arithmetic_has_vectors_of_its_own(tiny: Path, tmp_path: Path) -> None:
    exact = opened(tiny, tmp_path).vectors(SENTENCES)
    halves = VectorStore(tiny, work=tmp_path, batch_sentences=2, dtype="bfloat16")
    rounded = halves.vectors(SENTENCES)
    assert not np.array_equal(rounded, exact)
    np.testing.assert_allclose(rounded, exact, atol=0.02)
    assert np.array_equal(opened(tiny, tmp_path).vectors(SENTENCES), exact)


def test_a_later_run_encodes_nothing_again(
    tiny: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    before = opened(tiny, tmp_path).vectors(SENTENCES)
    block = opened(tiny, tmp_path).block(SENTENCES)
    request.getfixturevalue("no_encoding")
    assert np.array_equal(opened(tiny, tmp_path).vectors(SENTENCES[::-1]), before[::-1])
    assert np.array_equal(opened(tiny, tmp_path).block(SENTENCES), block)
    np.testing.assert_allclose(block, before, atol=1e-6)


def test_only_what_is_new_is_encoded(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tiny, tmp_path).add(["Rain.", "Snow."])
    seen: list[str] = []

    def noting(model: object, sentences: list[str], **options: object) -> object:
        seen.extend(sentences)
        return embed(model, sentences, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(vector_store, "embed", noting)
    opened(tiny, tmp_path).add(["Rain.", "Hail, at last.", "Hail.", "Hail."])
    assert seen == ["Hail, at last.", "Hail."]


def test_another_encoder_has_other_vectors_and_a_copy_the_same(tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(tiny, tmp_path / "copy"))
    (copy / "README.md").write_text("a model card")
    assert identity(model_digest(copy)) == identity(model_digest(tiny))
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert identity(model_digest(copy)) != identity(model_digest(tiny))


def test_files_hold_so_many_sentences_and_a_damaged_one_is_made_again(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(vector_store, "SHARD_SENTENCES", 2)
    before = opened(tiny, tmp_path).vectors(SENTENCES)
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert len(files) == 2  # four sentences, two a file
    files[0].write_bytes(b"cut off")
    assert np.array_equal(opened(tiny, tmp_path).vectors(SENTENCES), before)
    assert f"{files[0].name}.damaged-1" in caplog.text
    assert files[0].with_name(f"{files[0].name}.damaged-1").read_bytes() == b"cut off"


def test_a_file_changed_after_it_was_opened_is_noticed_when_it_is_used(
    tiny: Path, tmp_path: Path
) -> None:
    store = opened(tiny, tmp_path)
    before = store.vectors(SENTENCES)
    (file,) = tmp_path.rglob("*.safetensors")
    changed = bytearray(file.read_bytes())
    changed[-1] ^= 1
    file.write_bytes(changed)
    assert np.array_equal(store.vectors(SENTENCES), before)
    assert file.with_name(f"{file.name}.damaged-1").read_bytes() == changed


def test_a_block_in_anothers_place_is_encoded_again(tiny: Path, tmp_path: Path) -> None:
    store = opened(tiny, tmp_path)
    one, other = store.block(["Rain."]), store.block(["Snow."])
    first, second = sorted(tmp_path.rglob("blocks/*.safetensors"))
    first.write_bytes(second.read_bytes())
    assert np.array_equal(store.block(["Rain."]), one)
    assert np.array_equal(store.block(["Snow."]), other)
    assert first.with_name(f"{first.name}.foreign-1").exists()


def test_a_disk_that_cannot_hold_the_vectors_is_told_before_any_is_encoded(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(free=10))
    monkeypatch.setattr(vector_store, "embed", lambda *_, **__: pytest.fail("encoded"))
    with pytest.raises(PipelineError, match="too small for the vectors of 4 sentences"):
        opened(tiny, tmp_path).add(SENTENCES)


def test_a_stopped_run_keeps_its_finished_files(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_store, "SHARD_SENTENCES", 2)
    calls = 0

    def stopped(*arguments: object, **options: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return embed(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(vector_store, "embed", stopped)
    with pytest.raises(KeyboardInterrupt):
        opened(tiny, tmp_path).add(SENTENCES)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    assert [f for f in tmp_path.rglob("*") if f.suffix == ".tmp"] == []


def test_no_encoder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="nowhere is not a folder"):
        opened(tmp_path / "nowhere", tmp_path)
