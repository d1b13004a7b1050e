"""What it costs to let Ray's workers make the shards, and what a second worker brings."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stages.engines.hardware import computing_with
from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine
from stages.engines.ray_engine import RayEngine
from stages.engines.shards import Plan
from stages.language_models.loading import language_model_at
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding
from stages.language_models.triplet_writing import TripletWriter
from stages.params_file import load_params
from stages.progress import silent
from stages.tables.schemas import TRIPLETS
from tests.benchmarks.conftest import ROUNDS, Figure
from tests.benchmarks.pinned import Pinned, cores, rate
from tests.engines.frames import run_in_shards

pytestmark = [
    pytest.mark.benchmarks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = Path(__file__).parents[2]
SHARDS, PREMISES_EACH = 16, 3


def test_shards_made_here_and_by_one_and_two_workers(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """48 premises by SmolLM2, float32, one thread and one core a worker, in turns.

    Rates run from a worker's first shard to the end, with all that happens between shards: so
    neither the cluster's start nor the model's loading is in them. How long the first shard of a
    worker has to be waited for is a figure of its own.
    """
    table = pl.DataFrame(
        {
            "id": [f"{number:016x}" for number in range(SHARDS * PREMISES_EACH)],
            "sentence": premises[: 7 * SHARDS * PREMISES_EACH : 7],
        }
    )
    here: list[float] = []
    one: list[float] = []
    two: list[float] = []
    starts: list[float] = []
    kept: list[pl.DataFrame] = []

    def measured(engine: Engine, name: str) -> float:
        folder = tmp_path / f"{name}-{len(kept)}"
        folder.mkdir()
        writer = _writer(real_models["llm"], engine)
        maker = Pinned(writer, str(folder), tuple(cores()[:2]))
        plan = _plan(writer)
        with _affinity_kept():
            result = run_in_shards(table, maker, plan, work=folder, progress=silent, engine=engine)
        kept.append(result)
        return rate(folder, end=time.monotonic())

    def by_ray(workers: int) -> float:
        begin = time.monotonic()
        with RayEngine(address=None, workers=workers, cpus=1) as engine:
            found = measured(engine, f"ray-{workers}")
            log = tmp_path / f"ray-{workers}-{len(kept) - 1}" / "log"
            starts.append(float(log.read_text().split()[1]) - begin)
        return found

    def once() -> None:
        with computing_with(1):
            here.append(measured(LocalEngine(threads=1), "local"))
        one.append(by_ray(1))
        two.append(by_ray(2))

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    assert all(result.equals(kept[0]) for result in kept)
    against = f"the local engine, the same {SHARDS} shards of {PREMISES_EACH} premises, one core"
    ratios = [local / ray for local, ray in zip(here, one, strict=True)]
    figure("engine.ray_overhead", median(ratios), unit="1", against=against, rounds=ROUNDS)
    against = "twice the rate of one worker of Ray, a core each"
    ratios = [both / (2 * alone) for both, alone in zip(two, one, strict=True)]
    figure("engine.scaling_efficiency", median(ratios), unit="1", against=against, rounds=ROUNDS)
    against = "from nothing to the first shard: cluster, worker, libraries, model, first words"
    figure("engine.ray_start", median(starts), unit="s", against=against, rounds=ROUNDS)


@contextmanager
def _affinity_kept() -> Iterator[None]:
    """Give this process its cores back, which the local engine's first batch has taken."""
    before = os.sched_getaffinity(0)
    try:
        yield
    finally:
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), before)


def _writer(llm: Path, engine: Engine) -> TripletWriter:
    params = load_params(ROOT / "profiles/starter.yaml").generate
    return TripletWriter(
        model=language_model_at(llm, engine.hardware, dtype="float32"),
        prompts=load_prompts(params.prompts),
        noisy=params.noisy,
        chat=params.chat,
        samples=params.samples,
        decoding=Decoding(**params.model_dump(include=set(Decoding.__dataclass_fields__))),
    )


def _plan(writer: TripletWriter) -> Plan:
    return Plan(
        stage="generate",
        facts=writer.facts,
        schema=TRIPLETS,
        shard_rows=PREMISES_EACH,
        batch_rows=PREMISES_EACH,
        alike="sentence",
    )
