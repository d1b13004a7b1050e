"""The key of a server reaches the server and nothing else, however the server behaves."""

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.documents import load_yaml
from stages.tables.schemas import SENTENCES
from stages.tables.writing import write_table
from tests.cli.running import ROOT, Run
from tests.language_models.servers import hostile as bad
from tests.language_models.servers.hostile import Behaviour, Exchange, Hostile, hostile_server

KEY = "-".join(("sk", "planted", "5f2b9c7e1d"))  # nowhere in one piece, this file included


def repeating(kind: str, code: int) -> Behaviour:
    """Answer with what was sent, the key included."""

    def answer(exchange: Exchange, prompt: str) -> None:
        said = f"{exchange.headers['Authorization']} x-api-key: {KEY} " + KEY * 30
        exchange.send(json.dumps({"error": {"message": said}}), status=code, kind=kind)

    return answer


BEHAVIOURS: dict[str, Behaviour] = {
    "401": repeating("application/json", 401),
    "403": repeating("text/html", 403),
    "404": repeating("application/json", 404),
    "429": repeating("application/json", 429),
    "500": repeating("application/json", 500),
    "malformed": repeating("application/json", 200),
    "a web page": bad.html,
    "half a reply": bad.half_json,
    "silence": bad.silent,
    "reset": bad.reset,
    "broken off": bad.broken_off,
    "well": bad.well,
}


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hostile_server() as server:
        yield server


def write_project(folder: Path, **server: Any) -> None:
    """Write params.yaml for a served model, three sentences and what fetch leaves."""
    values = load_yaml((ROOT / "profiles/smoke.yaml").read_text(encoding="utf-8"))
    values["models"]["llm"]["reference"] = "api:tiny"
    values["generate"] |= {"omega": 0.0, "plausibility": 0.0, "top_k": 0, "no_repeat_ngram": 0}
    values["server"] |= {"concurrency": 1, "max_attempts": 1, "timeout_s": 0.5, **server}
    (folder / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    (folder / "models/llm").mkdir(parents=True, exist_ok=True)
    source = {"reference": "api:tiny", "identity": "api:tiny#0"}
    (folder / "models/llm/source.json").write_text(json.dumps(source))
    rows = {
        "id": [f"{n:016x}" for n in range(3)],
        "sentence": [f"Boat {n} leaves." for n in range(3)],
        "line": range(3),
    }
    write_table(pl.DataFrame(rows, schema=SENTENCES), folder / "data/sentences.parquet")


def traces(folder: Path, *said: str) -> list[str]:
    """Return where the key, or most of it, stands: output, and files with what they compress."""
    found = [f"output: {text}" for text in said if KEY[:12] in text]
    for file in (path for path in folder.rglob("*") if path.is_file()):
        contents = [file.read_bytes()]
        if file.suffix == ".parquet":
            contents.append(pl.read_parquet(file).write_ndjson().encode())
        if any(KEY[:12].encode() in content for content in contents):
            found.append(str(file))
    return found


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_the_key_is_nowhere_after_a_run(
    name: str, hostile: Hostile, project: Path, run: Run
) -> None:
    write_project(project, base_url=f"http://127.0.0.1:{hostile.server_port}/v1")
    hostile.usual = BEHAVIOURS[name]
    code, out, err = run("--verbose", "generate")
    assert code == (0 if name == "well" else 2), err
    assert hostile.headers[0]["Authorization"] == f"Bearer {KEY}"
    assert traces(project, out, err) == []


def test_the_key_is_nowhere_when_nobody_is_there(hostile: Hostile, project: Path, run: Run) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        write_project(project, base_url=f"http://127.0.0.1:{unused.getsockname()[1]}/v1")
        code, out, err = run("--verbose", "generate")
    assert code == 2
    assert "could not be asked" in err
    assert traces(project, out, err) == []


SPOILERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "a key in the address": lambda values: values["server"].update(
        base_url=f"https://user:{KEY}@example.org/v1"
    ),
    "a key behind the address": lambda values: values["server"].update(
        base_url=f"https://example.org/v1?api-key={KEY}"
    ),
    "a setting for the key": lambda values: values["server"].update(api_key=KEY),
}


@pytest.mark.parametrize("name", SPOILERS)
def test_a_key_in_params_is_refused_and_not_repeated(name: str, project: Path, run: Run) -> None:
    write_project(project)
    values = json.loads((project / "params.yaml").read_text(encoding="utf-8"))
    SPOILERS[name](values)
    (project / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    code, out, err = run("--verbose", "generate")
    (project / "params.yaml").unlink()
    assert code == 2
    assert "server." in err
    assert traces(project, out, err) == []
