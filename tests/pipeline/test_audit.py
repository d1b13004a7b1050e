"""The dependency audit: what it finds, and that it is no hindrance where no network is."""

import importlib.util
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.imports import ROOT


def _loaded() -> Any:
    specification = importlib.util.spec_from_file_location("audit", ROOT / ".ci/audit.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


AUDIT = _loaded()


@contextmanager
def database(answer: bytes) -> Iterator[tuple[str, list[Any]]]:
    """Serve ``answer`` to one request, and keep what was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.timeout = 10
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/querybatch", asked
        thread.join(10)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "requirements.lock"
    path.write_text("# pins\nthat-nobody-has==1.0\nanother_one==2.0.post1\n", encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_every_line_of_the_lock_is_an_exact_pin() -> None:
    pinned, loose = AUDIT.pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    assert loose == []
    assert len(pinned) > 100


def test_a_loose_line_and_another_version_are_to_be_mended(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("polars>=2\npytest==0.0.1\n", encoding="utf-8")
    faults, _ = AUDIT.audit(path, tmp_path / "none", database="http://127.0.0.1:9/none")
    assert faults[0] == "polars>=2: not an exact pin"
    assert faults[1].endswith("is installed, 0.0.1 is pinned")


def test_known_vulnerabilities_are_to_be_mended_unless_accepted_with_a_reason(
    lock: Path, tmp_path: Path
) -> None:
    answer = json.dumps({"results": [{"vulns": [{"id": "A-1"}, {"id": "A-2"}]}, {}]}).encode()
    exceptions = tmp_path / "accepted.txt"
    for text, left in (("", "A-1, A-2"), ("A-1 only on Windows\nA-2\n# A-2 x\n", "A-2")):
        exceptions.write_text(text, encoding="utf-8")
        with database(answer) as (url, asked):
            faults, line = AUDIT.audit(lock, exceptions, database=url)
        assert faults == [f"that-nobody-has 1.0: {left}"]
        assert line == "2 pins; 1 with known vulnerabilities"
    package = {"name": "another_one", "ecosystem": "PyPI"}
    assert asked[0]["queries"][1] == {"package": package, "version": "2.0.post1"}


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"<html>", b"{}", b'{"results": []}', b'{"results": 7}'])
def test_a_database_that_does_not_answer_fails_nothing(lock: Path, answer: bytes) -> None:
    with database(answer) as (url, _):
        faults, line = AUDIT.audit(lock, lock.with_name("none"), database=url)
    assert faults == []
    assert line.startswith("2 pins; no vulnerability database answered (")
    assert AUDIT.audit(lock, lock, database="http://127.0.0.1:9/none")[0] == []
