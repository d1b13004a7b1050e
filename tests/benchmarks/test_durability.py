"""What it costs that nothing is lost: stage 1 with shards beside stage 1 without, in one run."""

import time
from pathlib import Path
from statistics import median

import polars as pl
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stages.engines.shards import Plan
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import Decoding
from stages.language_models.triplet_writing import TripletWriter
from stages.params_file import load_params
from stages.progress import silent
from stages.tables.schemas import TRIPLETS
from stages.tables.writing import write_table
from tests.benchmarks.conftest import ROUNDS, Figure
from tests.engines.frames import run_in_shards

pytestmark = pytest.mark.benchmarks

ROOT = Path(__file__).parents[2]
SHARDS, PREMISES_EACH = 4, 16


def test_generating_with_shards_and_without(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    premises: list[str],
    tmp_path: Path,
) -> None:
    """64 premises in shards of 16, eight times as many files as the starter's: the dearer case.

    Both sides compute the same batches and write the table; one side also seals, locks, flushes and
    renames its shards, and looks at the disk's room.
    """
    params = load_params(ROOT / "profiles/starter.yaml").generate
    fields = set(Decoding.__dataclass_fields__)
    writer = TripletWriter(
        model=load_language_model(real_models["llm"], dtype="float32"),
        prompts=load_prompts(params.prompts),
        noisy=params.noisy,
        chat=params.chat,
        samples=params.samples,
        decoding=Decoding(**params.model_dump(include=fields)),
    )
    chosen = premises[: 5 * SHARDS * PREMISES_EACH : 5]
    table = pl.DataFrame({"id": [f"{n:016x}" for n in range(len(chosen))], "sentence": chosen})
    plan = Plan(
        stage="generate",
        facts=writer.facts,
        schema=TRIPLETS,
        shard_rows=PREMISES_EACH,
        batch_rows=PREMISES_EACH,
        alike="sentence",
        output=tmp_path / "triplets.parquet",
    )
    computing = 0.0

    def timed(batch: pl.DataFrame) -> pl.DataFrame:
        nonlocal computing
        start = time.perf_counter()
        result = writer.write(batch)
        computing += time.perf_counter() - start
        return result

    def with_shards(work: Path) -> pl.DataFrame:
        result = run_in_shards(table, timed, plan, work=work, progress=silent)
        write_table(result, tmp_path / "triplets.parquet")
        return result

    def without() -> pl.DataFrame:
        pieces = table.iter_slices(PREMISES_EACH)
        maker = plan.maker(timed)
        result = pl.concat([maker.computed(piece, lambda _: None) for piece in pieces])
        write_table(result, tmp_path / "plain.parquet")
        return result

    writer.write(table[:2])
    ratios: list[float] = []
    shares: list[float] = []

    def once() -> None:
        nonlocal computing
        computing, start = 0.0, time.perf_counter()
        kept = with_shards(tmp_path / f"work-{len(ratios)}")
        middle = time.perf_counter()
        shares.append((middle - start) / computing)
        plain = without()
        ratios.append((middle - start) / (time.perf_counter() - middle))
        assert kept.equals(plain)

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    against = "the same batches of SmolLM2 without shards, 64 premises, 16 a shard, in turns"
    figure("generate.durability_overhead", median(ratios), unit="1", against=against, rounds=ROUNDS)
    against = "the time in which the model writes, within the same run"
    figure("generate.durability_share", median(shares), unit="1", against=against, rounds=ROUNDS)
