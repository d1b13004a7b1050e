"""Stages generate and score with a model behind a server: stopped, continued, refused."""

import os
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import generate, score
from stages.errors import PipelineError
from stages.params import ServerParams
from stages.params_file import load_params
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import SCORED, SENTENCES, TRIPLETS
from stages.tables.writing import write_table
from tests.language_models.servers.hostile import (
    Behaviour,
    Exchange,
    Hostile,
    broken_off,
    completion,
    hostile_server,
    html,
    reset,
    silent,
    status,
    well,
)

ROOT = Path(__file__).parents[2]
SMOKE = load_params(ROOT / "profiles/smoke.yaml")
ROWS, SHARD_ROWS = 12, 4
KEY = "sk-very-secret-0123456789"


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("stages.language_models.servers.model.GRACE_S", 0.2)
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
    settings["shard_premises"] = SHARD_ROWS
    settings |= {name: changes.pop(name) for name in [*changes] if name in vars(SMOKE.generate)}
    generate.run(
        SMOKE.generate.model_copy(update=settings),
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


def scores(folder: Path, hostile: Hostile, *, judge: str) -> pl.DataFrame:
    score.run(
        SMOKE.score.model_copy(update={"judges": (judge,)}),
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
        hostile.unanswered.append(prompt)
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
def test_ctrl_c_loses_no_answer(folder: Path, hostile: Hostile) -> None:
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
    answered = Counter(hostile.prompts) - Counter(hostile.unanswered)
    hostile.bodies.clear()
    assert written(folder, hostile) == expected
    assert Counter(hostile.prompts) == once - answered


@pytest.mark.slow
@pytest.mark.parametrize(
    ("trouble", "cause", "remedy"),
    [
        (status(401, KEY), r"answers 401: \[key\]\n", "OPENAI_API_KEY"),
        (status(403), "answers 403", "OPENAI_API_KEY"),
        (status(429, Retry_After="3600"), "come back after 3600 s", "server.requests_per_minute"),
        (status(500), "answers 500", "wait until the server is well"),
        (broken_off, "could not be asked", "start the server"),
        (reset, "could not be asked", "start the server"),
        (html, "sent no completion", "server.base_url"),
        (silent, "no whole reply within 0.3 s", "server.timeout_s"),
    ],
    ids=["revoked", "forbidden", "limited", "down", "half", "reset", "portal", "hanging"],
)
def test_trouble_in_between_costs_no_answer(
    folder: Path, hostile: Hostile, trouble: Behaviour, cause: str, remedy: str
) -> None:
    answered = 2 * SHARD_ROWS + 3
    hostile.script = [well] * answered + [trouble]
    limits = {"concurrency": 1, "timeout_s": 0.3 if trouble is silent else 30.0}
    with pytest.raises(PipelineError, match=cause) as told:
        written(folder, hostile, **limits)
    assert told.value.exit_code == 2
    assert remedy in told.value.remedy
    assert f"({10 * answered} tokens read and {5 * answered} written in " in told.value.remedy
    assert "kept and not asked for again" in told.value.remedy
    assert KEY not in str(told.value)
    hostile.bodies.clear()
    written(folder, hostile)
    assert len(hostile.bodies) == 2 * ROWS - answered


def test_answers_under_way_when_one_fails_are_kept(folder: Path, hostile: Hostile) -> None:
    def late(exchange: Exchange, prompt: str) -> None:
        time.sleep(0.3)
        well(exchange, prompt)

    hostile.script = [late, status(401)]
    with pytest.raises(PipelineError, match="answers 401") as told:
        written(folder, hostile, concurrency=2)
    assert "10 tokens read and 5 written in 2 requests" in told.value.remedy
    hostile.bodies.clear()
    written(folder, hostile)
    assert len(hostile.bodies) == 2 * ROWS - 1


def test_a_server_that_is_gone_costs_no_answer(folder: Path, hostile: Hostile) -> None:
    with hostile_server() as gone:
        gone.script = [well] * 5

        def hangs_up(exchange: Exchange, prompt: str) -> None:
            gone.socket.close()
            reset(exchange, prompt)

        gone.usual = hangs_up
        address = gone.settings().base_url
        with pytest.raises(PipelineError, match="could not be asked in 2 attempts"):
            written(folder, gone, concurrency=1, max_attempts=2)
    port = int(address.rpartition(":")[2].partition("/")[0])
    with hostile_server(port) as back:
        written(folder, back)
        assert len(back.bodies) == 2 * ROWS - 5


def test_a_limit_that_the_server_sets_is_waited_for_by_all(folder: Path, hostile: Hostile) -> None:
    hostile.script = [well, well, status(429, Retry_After="0.5")]
    written(folder, hostile, concurrency=4, max_attempts=2)
    assert len(hostile.bodies) == 2 * ROWS + 1
    refused = hostile.moments[2]
    assert sum(moment - refused < 0.45 for moment in hostile.moments[3:]) <= 1  # was under way


@pytest.mark.slow
def test_a_budget_stops_the_stage_and_a_greater_one_continues(
    folder: Path, hostile: Hostile
) -> None:
    with pytest.raises(PipelineError, match=r"budget_tokens = 220 is reached") as told:
        written(folder, hostile, budget_tokens=220, concurrency=1)
    assert told.value.exit_code == 2
    assert "150 tokens read and 75 written in 15 requests, cost 0.0009" in told.value.remedy
    with pytest.raises(PipelineError, match=r"is reached"):
        written(folder, hostile, budget_tokens=220)
    assert len(hostile.bodies) == 15
    written(folder, hostile, budget_tokens=1000)
    assert len(hostile.bodies) == 2 * ROWS


def test_a_budget_that_is_used_up_does_not_keep_from_what_is_paid_for(
    folder: Path, hostile: Hostile
) -> None:
    first = written(folder, hostile)
    (folder / "triplets.parquet").unlink()
    shutil.rmtree(folder / ".work/generate")
    assert written(folder, hostile, budget_tokens=1) == first
    assert len(hostile.bodies) == 2 * ROWS


@pytest.mark.slow
def test_the_metrics_tell_what_all_runs_together_have_used(folder: Path, hostile: Hostile) -> None:
    hostile.script = [well] * (2 * SHARD_ROWS + 1) + [status(500)]
    with pytest.raises(PipelineError):
        written(folder, hostile, concurrency=1)
    written(folder, hostile)
    answered = 2 * ROWS
    assert read_json(folder / "generation.json")["server"] == {
        "requests": answered + 1,
        "retries": 0,
        "reused": 1,
        "prompt_tokens": 10 * answered,
        "completion_tokens": 5 * answered,
        "cost": pytest.approx(answered * (10 * 1 + 5 * 10) / 1e6),
    }


def test_other_shards_ask_nothing_again_and_another_temperature_asks_all(
    folder: Path, hostile: Hostile
) -> None:
    first = written(folder, hostile)
    assert written(folder, hostile, shard_premises=5) == first
    assert len(hostile.bodies) == 2 * ROWS
    used = read_json(folder / "generation.json")["server"]
    assert (used["requests"], used["reused"], used["cost"]) == (0, 2 * ROWS, 0)
    written(folder, hostile, temperature=0.9)
    assert len(hostile.bodies) == 4 * ROWS


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
    table = scores(folder, hostile, judge="generate")
    assert table["entailment_score"].to_list() == [4.5]
    assert table["contradiction_answer"].to_list() == ["hard to say"]
    metrics = read_json(folder / "scoring.json")
    assert (metrics["scored"], metrics["unreadable"]) == (0, 1)
    assert metrics["server"]["requests"] == 2


@pytest.mark.parametrize("judge", ["likelihood", "forward", "contrast", "expectation"])
def test_scores_that_need_likelihoods_are_refused(
    folder: Path, hostile: Hostile, judge: str
) -> None:
    write_table(triplets(), folder / "triplets.parquet")
    with pytest.raises(PipelineError, match="does not tell how likely") as told:
        scores(folder, hostile, judge=judge)
    assert "score.judges to [generate]" in told.value.remedy


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
