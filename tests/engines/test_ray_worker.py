"""What a worker looks at before it works, and what it answers; no cluster is needed for that."""

import pickle
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import torch

from stages.engines import ray_worker
from stages.engines.choosing import engine_of
from stages.engines.digests import package_digest
from stages.engines.folders import digests_of
from stages.engines.hardware import hardware_here
from stages.engines.local import LocalEngine
from stages.engines.protocol import Order, Terms
from stages.engines.ray_engine import RayEngine
from stages.engines.ray_worker import Place, RayWorker, packed, raise_what_went_wrong, replied
from stages.errors import PipelineError

ORDER = Order(7, "square 1f shard 7 rows 2", pl.DataFrame({"text": ["a", "ümlaut"]}))
CHOICE: dict[str, Any] = {
    "address": None,
    "workers": 1,
    "cpus_per_worker": 1,
    "gpus_per_worker": 0.0,
}


@dataclass(frozen=True)
class Shouting:
    """Makes shards of capitals; fails when told to."""

    error: Exception | None = None

    def __call__(self, order: Order, advance: Callable[[int], None]) -> bytes:
        if self.error is not None:
            raise self.error
        advance(len(order.rows))
        return "".join(order.rows["text"]).upper().encode()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)  # and back afterwards: a worker changes its folder
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "llm").mkdir()
    (tmp_path / "llm/model.safetensors").write_bytes(b"weights")
    return Place(str(tmp_path), package_digest(), torch.get_num_threads(), "run")


def reply(worker: RayWorker, order: Order = ORDER) -> ray_worker.Reply:
    return replied(worker(pa.Table.from_pylist([packed(order)])))


def test_a_worker_returns_the_bytes_of_a_shard_and_says_who_made_it(place: Place) -> None:
    models = digests_of(Path("llm"))
    terms = Terms(models=models, surroundings=hardware_here().surroundings())
    got = reply(RayWorker(Shouting(), terms, place))
    assert (got.number, got.data, got.cause, got.fault) == (7, "AÜMLAUT".encode(), "", "")
    assert got.worker == ray_worker.worker_name()


def test_other_code_is_refused(place: Place) -> None:
    got = reply(RayWorker(Shouting(), Terms(), replace(place, code="0" * 64)))
    with pytest.raises(PipelineError, match=r"on .*: the code of multicsr there is another"):
        raise_what_went_wrong(got)


def test_a_worker_without_the_model_names_node_and_path(place: Place) -> None:
    got = reply(RayWorker(Shouting(), Terms(models={"models/none": "1f"}), place))
    node = platform.node()
    assert got.cause == f"on {node}: the model {Path('models/none').absolute()} is not there."
    elsewhere = replace(place, root=f"{place.root}/nowhere")
    got = reply(RayWorker(Shouting(), Terms(models={"llm": "1f"}), elsewhere))
    assert f"{place.root}/nowhere/llm" in got.cause


def test_another_model_at_the_same_path_is_refused(place: Place) -> None:
    got = reply(RayWorker(Shouting(), Terms(models={"llm": "1f"}), place))
    assert "llm holds another model" in got.cause


def test_other_libraries_or_another_device_are_refused_by_name(place: Place) -> None:
    wanted = {**hardware_here().surroundings(), "torch": "1.0", "device": "abacus"}
    got = reply(RayWorker(Shouting(), Terms(surroundings=wanted), place))
    assert "device is cpu, wanted is abacus" in got.cause
    assert "wanted is 1.0" in got.cause
    assert got.data == b""


def test_a_worker_computes_with_the_threads_that_the_shards_name_say(place: Place) -> None:
    before = torch.get_num_threads()
    try:
        reply(RayWorker(Shouting(), Terms(), replace(place, threads=3)))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_full_memory_and_faults_are_told_apart(place: Place) -> None:
    full = reply(RayWorker(Shouting(MemoryError("no room")), Terms(), place))
    assert "memory of" in full.cause
    wrong = reply(RayWorker(Shouting(ZeroDivisionError("by zero")), Terms(), place))
    with pytest.raises(RuntimeError, match="ZeroDivisionError: by zero"):
        raise_what_went_wrong(wrong)


def test_a_shard_that_ends_every_worker_is_given_up(place: Place) -> None:
    attempts = Path(place.root) / "multicsr-run-7"
    attempts.write_bytes(b"." * ray_worker.MOST_ATTEMPTS)  # none of them was ended
    got = reply(RayWorker(Shouting(), Terms(), place))
    assert "shard 7 has ended 10 workers" in got.cause
    assert reply(RayWorker(Shouting(), Terms(), place)).data
    assert not attempts.exists()


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with (
        pytest.raises(PipelineError, match=r"(?s)Ray Data is not installed.*multicsr\[ray\]"),
        engine_of("ray", **CHOICE),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers at engine.address = 127.0.0.1:1"),
        ("ray://127.0.0.1:1", "no Ray cluster answers"),
        ("somewhere", "is no address of a Ray cluster"),
    ],
)
def test_a_cluster_that_cannot_be_reached_is_told_at_once(address: str, said: str) -> None:
    pytest.importorskip("ray")
    engine = RayEngine(address=address, workers=1, cpus=1)
    with engine, pytest.raises(PipelineError, match=said):
        _ = engine.hardware


def test_the_local_engine_computes_with_the_threads_it_is_given() -> None:
    with engine_of("local", **{**CHOICE, "cpus_per_worker": 3}) as engine:
        assert engine.hardware.threads == 3
        seen: list[int] = []

        def maker(order: Order, advance: Callable[[int], None]) -> bytes:
            seen.append(torch.get_num_threads())
            return b"made"

        before = torch.get_num_threads()
        made = engine.made([ORDER], maker, terms=Terms(), advance=lambda *_: None)
        assert dict(made) == {7: b"made"}
        assert (seen, torch.get_num_threads()) == ([3], before)
        assert [worker.rows for worker in engine.throughput.workers()] == [2]


def test_what_travels_holds_no_model() -> None:
    from stages.language_models.on_demand import ModelOnDemand
    from stages.language_models.scripted import ScriptedLanguageModel
    from stages.training.guide import GuideMaker

    model = ModelOnDemand(ScriptedLanguageModel, identity="one")
    model.log_likelihoods([])
    assert "_model" in vars(model)
    again = pickle.loads(pickle.dumps(model))
    assert (again.identity, vars(again)["_model"]) == ("one", None)
    load: Any = LocalEngine  # anything that can be named
    guide = GuideMaker(load)
    vars(guide)["_guide"] = object()
    assert vars(pickle.loads(pickle.dumps(guide)))["_guide"] is None
