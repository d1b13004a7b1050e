"""Stages generate and score with a model behind a server: stopped, continued, refused."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import generate, score
from stages.errors import PipelineError
from stages.params import ServerParams, load_params
from stages.tables import SCORED, SENTENCES, TRIPLETS, read_json, read_table, write_table
from tests.language_models.servers.hostile import (
    Exchange,
    Hostile,
    completion,
    hostile_server,
    status,
    well,
)

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
ROWS, SHARD_ROWS = 12, 4
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hostile_server() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "llm").mkdir()
    source = '{"reference": "api:tiny", "identity": "api:tiny#0"}'
    (tmp_path / "llm/source.json").write_text(source)
    rows = {
        "id": [f"{i:016x}" for i in range(ROWS)],
        "sentence": [f"Boat number {i} leaves." for i in range(ROWS)],
        "line": range(ROWS),
    }
    write_table(pl.DataFrame(rows, schema=SENTENCES), tmp_path / "sentences.parquet")
    return tmp_path


def server_params(hostile: Hostile, **changes: Any) -> ServerParams:
    return ServerParams(**{**vars(hostile.settings(concurrency=2, max_attempts=1)), **changes})


def written(folder: Path, hostile: Hostile, **changes: Any) -> bytes:
    settings = {"omega": 0.0, "plausibility": 0.0, "batch_premises": 2}
    generate.run(
        SMOKE.generate.model_copy(update={**settings, "shard_premises": SHARD_ROWS}),
        server=server_params(hostile, **changes),
        sentences=folder / "sentences.parquet",
        labelled=folder / "labelled.parquet",
        llm=folder / "llm",
        guide=folder / "guide",
        triplets=folder / "triplets.parquet",
        metrics=folder / "generation.json",
        work=folder / ".work",
    )
    return (folder / "triplets.parquet").read_bytes()


def scores(folder: Path, hostile: Hostile, *, method: str) -> pl.DataFrame:
    score.run(
        SMOKE.score.model_copy(update={"method": method}),
        server=server_params(hostile),
        triplets=folder / "triplets.parquet",
        llm=folder / "llm",
        scored=folder / "scored.parquet",
        metrics=folder / "scoring.json",
        guide=folder / "guide",
        nli=folder / "nli",
        calibration=folder / "calibration.json",
        work=folder / ".work",
    )
    return read_table(folder / "scored.parquet", SCORED)


def stops_after(requests: int, hostile: Hostile) -> None:
    """Let Ctrl-C come while the next request but ``requests`` is being answered."""

    def interrupt(exchange: Exchange, prompt: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        exchange.rfile.read(1)  # no answer: the batch cannot end before the signal is seen

    hostile.script = [*[well] * requests, interrupt]


@pytest.fixture
def heeded() -> Iterator[None]:
    """Heed Ctrl-C, which a shell tells the jobs it starts in the background to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeded")
@pytest.mark.slow
def test_ctrl_c_loses_the_shard_in_flight_only(folder: Path, hostile: Hostile) -> None:
    uninterrupted = folder / "uninterrupted"
    uninterrupted.mkdir()
    (uninterrupted / "llm").symlink_to(folder / "llm")
    (uninterrupted / "sentences.parquet").symlink_to(folder / "sentences.parquet")
    expected = written(uninterrupted, hostile)
    once = Counter(hostile.prompts)
    hostile.bodies.clear()
    stops_after(2 * SHARD_ROWS + 2, hostile)
    with pytest.raises(KeyboardInterrupt):
        written(folder, hostile)
    first_shard = Counter(hostile.prompts[: 2 * SHARD_ROWS])
    hostile.bodies.clear()
    assert written(folder, hostile) == expected
    assert Counter(hostile.prompts) == once - first_shard


def test_a_server_that_fails_in_between_leaves_finished_shards(
    folder: Path, hostile: Hostile
) -> None:
    hostile.script = [well] * 2 * SHARD_ROWS + [status(500)]
    with pytest.raises(PipelineError, match="answers 500"):
        written(folder, hostile)
    hostile.bodies.clear()
    written(folder, hostile)
    assert len(hostile.bodies) == 2 * (ROWS - SHARD_ROWS)


@pytest.mark.slow
def test_a_budget_stops_the_stage_and_a_greater_one_continues(
    folder: Path, hostile: Hostile
) -> None:
    with pytest.raises(PipelineError, match=r"150 tokens read and 75 written") as told:
        written(folder, hostile, budget_tokens=220, concurrency=1)
    assert told.value.exit_code == 2
    with pytest.raises(PipelineError, match=r"150 tokens read and 75 written"):
        written(folder, hostile, budget_tokens=220)
    assert len(hostile.bodies) == 15
    written(folder, hostile, budget_tokens=1000)
    assert len(hostile.bodies) == 15 + 2 * (ROWS - SHARD_ROWS)


@pytest.mark.slow
def test_the_metrics_tell_what_all_runs_together_have_used(folder: Path, hostile: Hostile) -> None:
    hostile.script = [well] * 2 * SHARD_ROWS + [status(500)]
    with pytest.raises(PipelineError):
        written(folder, hostile, concurrency=1)
    written(folder, hostile)
    answered = 2 * ROWS
    assert read_json(folder / "generation.json")["server"] == {
        "requests": answered + 1,
        "retries": 0,
        "prompt_tokens": 10 * answered,
        "completion_tokens": 5 * answered,
        "cost": pytest.approx(answered * (10 * 1 + 5 * 10) / 1e6),
    }


@pytest.mark.slow
def test_other_limits_ask_nothing_again_and_another_address_asks_all(
    folder: Path, hostile: Hostile
) -> None:
    written(folder, hostile)
    written(folder, hostile, concurrency=7, timeout_s=9.0, requests_per_minute=9, max_attempts=2)
    assert len(hostile.bodies) == 2 * ROWS
    written(folder, hostile, base_url=f"http://localhost:{hostile.server_port}/v1")
    assert len(hostile.bodies) == 4 * ROWS


def test_the_key_is_in_no_file(folder: Path, hostile: Hostile) -> None:
    written(folder, hostile)
    assert hostile.headers[0]["Authorization"] == f"Bearer {KEY}"
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []


def test_contrast_is_refused_before_anything_is_asked(folder: Path, hostile: Hostile) -> None:
    with pytest.raises(PipelineError, match=r"generate.omega = 0.5 subtracts the logits"):
        generate.run(
            SMOKE.generate,
            server=server_params(hostile),
            sentences=folder / "sentences.parquet",
            labelled=folder / "labelled.parquet",
            llm=folder / "llm",
            guide=folder / "guide",
            triplets=folder / "triplets.parquet",
            metrics=folder / "generation.json",
            work=folder / ".work",
        )
    assert hostile.bodies == []


def test_written_numbers_become_scores(folder: Path, hostile: Hostile) -> None:
    write_table(triplets(), folder / "triplets.parquet")

    def number(exchange: Exchange, prompt: str) -> None:
        told = "4.5" if "(b) Today" in prompt else "hard to say"
        exchange.send(completion(f" {told}"))

    hostile.usual = number
    table = scores(folder, hostile, method="generate")
    assert table["entailment_score"].to_list() == [4.5]
    assert table["contradiction_answer"].to_list() == ["hard to say"]
    metrics = read_json(folder / "scoring.json")
    assert (metrics["scored"], metrics["unreadable"]) == (0, 1)
    assert metrics["server"]["requests"] == 2


@pytest.mark.parametrize("method", ["likelihood", "expectation"])
def test_scores_that_need_likelihoods_are_refused(
    folder: Path, hostile: Hostile, method: str
) -> None:
    write_table(triplets(), folder / "triplets.parquet")
    with pytest.raises(PipelineError, match="does not tell how likely") as told:
        scores(folder, hostile, method=method)
    assert "score.method to generate" in told.value.remedy


def triplets() -> pl.DataFrame:
    row = {
        "id": "1",
        "sample": 0,
        "premise": "The tram is full today.",
        "entailment": "Today the tram is full.",
        "contradiction": "Elephants cannot jump.",
        "entailment_instruction": "e",
        "contradiction_instruction": "c",
        "entailment_finished": True,
        "contradiction_finished": True,
    }
    return pl.DataFrame([row], schema=TRIPLETS)
