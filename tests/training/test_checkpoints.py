"""Unfinished work is found again, and only by the run it belongs to."""

from pathlib import Path

import pytest

from stages.training.checkpoints import last_checkpoint, weights_digest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (5, 10, 100):
        checkpoint = tmp_path / f"checkpoint-{step}"
        checkpoint.mkdir()
        (checkpoint / "trainer_state.json").write_text("{}")
    return tmp_path


def test_the_newest_whole_checkpoint_is_taken(folder: Path) -> None:
    assert last_checkpoint(folder) == folder / "checkpoint-100"


@pytest.mark.parametrize("state", [None, '{"global_step": 1'])
def test_a_checkpoint_cut_short_is_deleted(folder: Path, state: str | None) -> None:
    (folder / "checkpoint-100/trainer_state.json").unlink()
    if state is not None:
        (folder / "checkpoint-100/trainer_state.json").write_text(state)
    assert last_checkpoint(folder) == folder / "checkpoint-10"
    assert not (folder / "checkpoint-100").exists()


def test_where_nothing_was_begun_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "missing") is None


def test_the_identity_of_a_model_is_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = weights_digest(tmp_path)
    (tmp_path / "README.md").write_text("a word about it")
    assert weights_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights_digest(tmp_path) != before
