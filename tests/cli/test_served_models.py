"""Commands with a model behind a server: exit codes, one clear message, and no key in it."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl
import pytest

from stages.tables.schemas import PAIRS, SENTENCES
from stages.tables.writing import write_table
from tests.cli.running import Run
from tests.language_models.servers import hostile as bad
from tests.language_models.servers.hostile import Exchange, Hostile

KEY = "sk-very-secret-0123456789"
ROWS = 6
Settings = Callable[..., None]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setattr("stages.language_models.servers.model.GRACE_S", 0.2)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with bad.hostile_server() as server:
        yield server


@pytest.fixture
def asks(project: Path, server: Hostile) -> Settings:
    """A project that asks the server; the fixture changes settings of its section `server`."""
    (project / "models/llm").mkdir(parents=True)
    source = '{"reference": "api:tiny", "identity": "api:tiny"}'
    (project / "models/llm/source.json").write_text(source)
    ids = [f"{i:016x}" for i in range(ROWS)]
    sentences = [f"Boat {i} leaves." for i in range(ROWS)]
    rows = {"id": ids, "sentence": sentences, "line": range(ROWS)}
    write_table(pl.DataFrame(rows, schema=SENTENCES), project / "data/sentences.parquet")

    def write(**changes: object) -> None:
        settings = {
            "base_url": f"http://127.0.0.1:{server.server_port}/v1",
            "endpoint": "chat",
            "concurrency": 1,
            "max_attempts": 1,
            "omega": 0.0,
            "plausibility": 0.0,
        }
        text = (project / "profiles/smoke.yaml").read_text(encoding="utf-8")
        lines = text.splitlines()
        for name, value in (settings | changes).items():
            (place,) = [n for n, line in enumerate(lines) if line.strip().startswith(f"{name}:")]
            lines[place] = f"  {name}: {value}"
        (project / "params.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")

    write()
    return write


def test_a_used_up_budget_ends_with_what_was_spent_and_how_to_go_on(
    run: Run, asks: Settings, server: Hostile
) -> None:
    asks(budget_tokens=70)
    ended = run("generate")
    assert ended.code == 2
    assert "error: server.budget_tokens = 70 is reached." in ended.err
    told = " ".join(ended.err.split())
    assert "remedy: raise it. Then run the same command again: every answer received" in told
    assert "(50 tokens read and 25 written in 5 requests, cost 0)" in told
    asks(budget_tokens="null")
    assert run("generate").code == 0
    assert len(server.bodies) == 2 * ROWS


@pytest.mark.parametrize(
    "trouble",
    [
        bad.status(401, f"no {KEY}"),
        bad.raw(f"HTTP/1.1 403 {KEY}\r\nContent-Length: 0\r\n\r\n".encode()),
        bad.saying(KEY),
        bad.raw(f"{KEY}\r\n\r\n".encode()),
        bad.redirect(f"http://127.0.0.1:1/{KEY}"),
        bad.reset,
    ],
    ids=["401", "reason", "portal", "no HTTP", "redirect", "reset"],
)
def test_the_key_is_in_no_output_and_no_file(
    run: Run, asks: Settings, server: Hostile, project: Path, trouble: bad.Behaviour
) -> None:
    server.script = [bad.well, bad.saying(bad.completion(f"It is {KEY}.")), bad.well]
    server.usual = trouble
    ended = run("--verbose", "generate")
    assert ended.code == 2
    for start in range(len(KEY) - 8):
        assert KEY[start : start + 8] not in ended.err + ended.out
    files = [file for file in project.rglob("*") if file.is_file()]
    assert any("answers" in file.parts[-3:] or ".work" in file.parts for file in files)
    assert [file for file in files if KEY.encode() in file.read_bytes()] == []


def test_judging_the_same_pairs_again_asks_nothing(
    run: Run, asks: Settings, server: Hostile, project: Path
) -> None:
    rows = [("s", 5.0, "It rains.", "Rain falls."), ("s", 0.0, "It rains.", "Cats sleep.")]
    write_table(pl.DataFrame(rows, schema=dict(PAIRS), orient="row"), project / "pairs.parquet")

    def number(exchange: Exchange, prompt: str) -> None:
        exchange.send(bad.completion(" 4.5" if "Rain falls" in prompt else " 0.5"))

    server.usual = number
    first = run("judge", "pairs.parquet", "--judge", "generate")
    assert first.code == 0
    assert len(server.bodies) == 2
    again = run("judge", "pairs.parquet", "--judge", "generate", "--batch", "1")
    assert again.out == first.out
    assert len(server.bodies) == 2


@pytest.fixture(autouse=True)
def _libraries_as_they_were() -> Iterator[None]:
    level = logging.getLogger("httpx2").level
    yield
    logging.getLogger("httpx2").setLevel(level)
