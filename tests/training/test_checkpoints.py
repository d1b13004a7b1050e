"""Unfinished work is found again, and only by the run it belongs to."""

import subprocess
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.training.checkpoints import (
    SUMS,
    delete_but,
    failed_writes_told,
    last_checkpoint,
    seal,
    weights_digest,
)
from tests.model_files.strange_files import Planted, pickled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for step in (5, 10, 100):
        checkpoint = tmp_path / f"checkpoint-{step}"
        (checkpoint / "1_Pooling").mkdir(parents=True)
        (checkpoint / "trainer_state.json").write_text('{"global_step": 1}')
        (checkpoint / "1_Pooling/config.json").write_text("{}")
        seal(checkpoint)
    return tmp_path


def test_the_newest_whole_checkpoint_is_taken(folder: Path) -> None:
    assert last_checkpoint(folder) == folder / "checkpoint-100"


def test_its_seal_is_what_other_tools_check(folder: Path) -> None:
    check = ["sha256sum", "--check", "--strict", SUMS]
    told = subprocess.run(check, cwd=folder / "checkpoint-5", capture_output=True, check=True)
    assert told.stdout.decode().splitlines() == [
        "1_Pooling/config.json: OK",
        "trainer_state.json: OK",
    ]


@pytest.mark.parametrize("name", ["trainer_state.json", "1_Pooling/config.json", SUMS])
@given(data=st.data())
def test_a_changed_bit_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    checkpoint = tmp_path_factory.mktemp("run") / "checkpoint-7"
    (checkpoint / "1_Pooling").mkdir(parents=True)
    (checkpoint / "trainer_state.json").write_text('{"global_step": 7}')
    (checkpoint / "1_Pooling/config.json").write_text("{}")
    seal(checkpoint)
    content = bytearray((checkpoint / name).read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    (checkpoint / name).write_bytes(content)
    assert last_checkpoint(checkpoint.parent) is None
    assert not checkpoint.exists()


@pytest.mark.parametrize("name", ["trainer_state.json", "1_Pooling/config.json", SUMS])
@pytest.mark.parametrize("left", [None, 5, 0])
def test_a_checkpoint_cut_short_is_deleted(folder: Path, name: str, left: int | None) -> None:
    file = folder / "checkpoint-100" / name
    content = file.read_bytes()
    file.unlink()
    if left is not None and left < len(content):
        file.write_bytes(content[:left])
    assert last_checkpoint(folder) == folder / "checkpoint-10"
    assert not (folder / "checkpoint-100").exists()


def test_a_file_that_nobody_sealed_makes_it_another_checkpoint(folder: Path) -> None:
    (folder / "checkpoint-100/adapter.safetensors").write_bytes(b"?")
    assert last_checkpoint(folder) == folder / "checkpoint-10"


def test_all_but_those_named_are_deleted(folder: Path) -> None:
    delete_but({folder / "checkpoint-5", folder / "checkpoint-100"}, folder=folder)
    left = {path.name for path in folder.glob("checkpoint-*")}
    assert left == {"checkpoint-5", "checkpoint-100"}


def test_where_nothing_was_begun_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path / "missing") is None


def test_the_identity_of_a_model_is_its_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    before = weights_digest(tmp_path)
    (tmp_path / "README.md").write_text("a word about it")
    assert weights_digest(tmp_path) == before
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert weights_digest(tmp_path) != before


def test_a_checkpoint_that_did_not_fit_is_told_and_other_faults_pass(tmp_path: Path) -> None:
    full = RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")
    with (
        pytest.raises(PipelineError, match=r"could not be written(.|\n)*last whole checkpoint"),
        failed_writes_told(tmp_path),
    ):
        raise full
    with pytest.raises(RuntimeError, match="shapes"), failed_writes_told(tmp_path):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_state_that_is_more_than_numbers_is_never_made(folder: Path, name: str) -> None:
    sign = folder / "sign"
    (folder / "checkpoint-100" / name).write_bytes(pickled(sign))
    seal(folder / "checkpoint-100")
    assert last_checkpoint(folder) == folder / "checkpoint-10"
    torch.save({"step": torch.ones(2)}, folder / "checkpoint-10" / name)
    seal(folder / "checkpoint-10")
    assert last_checkpoint(folder) == folder / "checkpoint-10"
    torch.save(Planted(sign), folder / "checkpoint-10" / name)
    seal(folder / "checkpoint-10")
    assert last_checkpoint(folder) == folder / "checkpoint-5"
    assert not sign.exists()
