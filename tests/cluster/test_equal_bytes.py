"""One engine's files are the other's, to the byte, also where a run changes engine half way."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from stages import generate, score
from stages.encoders.tiny import write_random_encoder
from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine
from stages.engines.ray_engine import RayEngine
from stages.errors import PipelineError
from stages.params_file import load_params
from stages.progress import silent
from stages.tables.columns import TEXTS
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table
from stages.training.guide import guide_vectors
from tests.cluster.conftest import CLUSTER, SHORT, Head

pytestmark = CLUSTER

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
ROWS, ROWS_A_SHARD = 24, 2
WORKERS = (2,) if SHORT else (1, 2, 4)
GENERATE = SMOKE.generate.model_copy(
    update={"max_new_tokens": 6, "batch_premises": 2, "shard_premises": ROWS_A_SHARD}
)
SCORE = SMOKE.score.model_copy(
    update={
        "judges": ("likelihood", "encoder"),
        "batch_triplets": 2,
        "shard_triplets": ROWS_A_SHARD,
    }
)


@pytest.fixture
def project(
    llama: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A folder with sentences, a tiny Llama and a tiny guide, named by relative paths."""
    monkeypatch.chdir(tmp_path)
    llama.save_pretrained("llm")
    tokenizer.save_pretrained("llm")
    source = {"reference": "path:tiny", "identity": "tiny"}
    Path("llm/source.json").write_text(json.dumps(source))
    write_random_encoder(Path("guide"), seed=2)
    rows = {
        "id": [f"{number:016x}" for number in range(ROWS)],
        "sentence": [f"Boat {number} leaves{' early' * (number % 5)}." for number in range(ROWS)],
        "line": range(ROWS),
    }
    write_table(pl.DataFrame(rows, schema=SENTENCES), Path("sentences.parquet"))
    return tmp_path


def generated(engine: Engine, work: str, progress: Any = silent) -> dict[str, bytes]:
    """Run stage generate; return table, counts and shards."""
    generate.run(
        GENERATE,
        server=SMOKE.server,
        sentences=Path("sentences.parquet"),
        labelled=Path("labelled.parquet"),
        llm=Path("llm"),
        guide=Path("guide"),
        triplets=Path("triplets.parquet"),
        metrics=Path("generation.json"),
        work=Path(work),
        progress=progress,
        engine=engine,
    )
    return files(work, "triplets.parquet", "generation.json")


def scored(engine: Engine, work: str) -> dict[str, bytes]:
    """Run stage score by two judges, and the guide of training; return the same of them."""
    score.run(
        SCORE,
        server=SMOKE.server,
        triplets=Path("triplets.parquet"),
        llm=Path("llm"),
        guide=Path("guide"),
        nli=Path("nli"),
        scored=Path("scored.parquet"),
        metrics=Path("scoring.json"),
        calibration=Path("calibration.json"),
        work=Path(work),
        engine=engine,
    )
    triplets = pl.read_parquet("triplets.parquet").select(TEXTS)
    guide_vectors(Path(work), Path("guide"), triplets, pooler="auto", template="", engine=engine)
    return files(work, "scored.parquet", "scoring.json", "calibration.json")


def files(work: str, *outputs: str) -> dict[str, bytes]:
    shards = [path for path in Path(work).rglob("shard-*") if path.suffix != ".lock"]
    found = {str(path.relative_to(work)): path.read_bytes() for path in shards}
    return found | {name: Path(name).read_bytes() for name in outputs}


@contextmanager
def stopping(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Be a progress bar at which somebody presses Ctrl-C at the third part."""
    done = 0

    def advance(rows: int) -> None:
        nonlocal done
        done += rows
        if done >= total // 3:
            raise KeyboardInterrupt

    yield advance


def test_the_local_engine_and_any_number_of_workers_write_the_same_bytes(
    cluster: Head, project: Path
) -> None:
    local = LocalEngine(threads=1)
    expected = generated(local, "local")
    assert len([name for name in expected if "shard" in name]) == ROWS // ROWS_A_SHARD
    for workers in WORKERS:
        with RayEngine(address=cluster.address, workers=workers, cpus=1) as engine:
            assert generated(engine, f"ray-{workers}") == expected
            done = engine.throughput.workers()
            assert sum(worker.rows for worker in done) == ROWS
            assert 1 <= len(done) <= workers
    expected = scored(local, "local")
    with RayEngine(address=cluster.address, workers=2, cpus=1) as engine:
        assert scored(engine, "ray-2") == {name: expected[name] for name in expected}, (
            "score by two judges, and the guide's vectors"
        )


def test_a_run_that_changes_engine_half_way_writes_the_same_bytes_and_redoes_nothing(
    cluster: Head, project: Path
) -> None:
    expected = generated(LocalEngine(threads=1), "unbroken")
    with RayEngine(address=cluster.address, workers=2, cpus=1) as engine:
        with pytest.raises(KeyboardInterrupt):
            generated(LocalEngine(threads=1), "begun-here", stopping)
        there = len(list(Path("begun-here").rglob("shard-*.parquet")))
        assert 0 < there < ROWS // ROWS_A_SHARD
        assert generated(engine, "begun-here") == expected
        made = sum(worker.shards for worker in engine.throughput.workers())
        assert made == ROWS // ROWS_A_SHARD - there
        with pytest.raises(KeyboardInterrupt):
            generated(engine, "begun-there", stopping)
    there = len(list(Path("begun-there").rglob("shard-*.parquet")))
    assert 0 < there < ROWS // ROWS_A_SHARD
    local = LocalEngine(threads=1)
    assert generated(local, "begun-there") == expected
    assert [worker.shards for worker in local.throughput.workers()] == [
        ROWS // ROWS_A_SHARD - there
    ]


def test_by_ray_client_too_and_what_is_wrong_on_a_worker_is_told_here(
    cluster: Head, project: Path
) -> None:
    expected = generated(LocalEngine(threads=1), "local")
    with RayEngine(address=cluster.client, workers=2, cpus=1) as engine:
        assert generated(engine, "client") == expected
        Path("llm").rename("elsewhere")
        Path("llm").mkdir()
        source = Path("elsewhere/source.json").read_text()
        Path("llm/source.json").write_text(source)  # the worker has seen another model before
        with pytest.raises(PipelineError, match=r"on .*: .*llm"):
            generated(engine, "wrong")
