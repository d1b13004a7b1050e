"""The real SmolLM2-135M behind `transformers serve`, a real server, asked through api:."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages import generate, score
from stages.model_files.installing import install
from stages.params import Params, ServerParams
from stages.params_file import load_params
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import SCORED, SENTENCES
from stages.tables.writing import write_table

pytestmark = pytest.mark.models

ROOT = Path(__file__).parents[2]
SECONDS_TO_START = 120


@pytest.fixture(scope="module")
def address(
    real_models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log"
    options = f"--host 127.0.0.1 --port {port} --device cpu".split()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve"]
    with (
        log.open("wb") as said,
        subprocess.Popen(
            [*command, str(real_models["llm"]), *options],
            stdout=said,
            stderr=subprocess.STDOUT,
            env=os.environ | {"HF_HUB_OFFLINE": "1"},
        ) as process,
    ):
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def _wait_for(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return
        time.sleep(0.5)
    pytest.fail(f"transformers serve does not answer:\n{log.read_text(errors='replace')[-2000:]}")


@pytest.mark.parametrize("endpoint", ["completions", "chat"])
def test_a_served_model_writes_and_judges(
    address: str, real_models: dict[str, Path], premises: list[str], tmp_path: Path, endpoint: str
) -> None:
    params = load_params(ROOT / "profiles/starter.yaml")
    files: dict[str, Any] = {"llm": tmp_path / "llm", "work": tmp_path / ".work"}
    files["server"] = _server(params, address, endpoint)
    install(
        f"api:{real_models['llm']}", sha256=None, folder=files["llm"], random_encoder=no_encoder
    )
    rows = {"id": [f"{i:016x}" for i in range(4)], "sentence": premises[:4], "line": range(1, 5)}
    write_table(pl.DataFrame(rows, schema=SENTENCES), tmp_path / "sentences.parquet")
    generate.run(
        params.generate.model_copy(update={"omega": 0.0, "plausibility": 0.0}),
        sentences=tmp_path / "sentences.parquet",
        labelled=tmp_path / "labelled.parquet",
        guide=real_models["guide"],
        triplets=tmp_path / "triplets.parquet",
        metrics=tmp_path / "generation.json",
        **files,
    )
    score.run(
        params.score.model_copy(update={"judges": ("generate",)}),
        triplets=tmp_path / "triplets.parquet",
        scored=tmp_path / "scored.parquet",
        guide=real_models["guide"],
        nli=tmp_path / "nli",
        metrics=tmp_path / "scoring.json",
        calibration=tmp_path / "calibration.json",
        **files,
    )
    table = read_table(tmp_path / "scored.parquet", SCORED)
    assert table["premise"].to_list() == premises[:4]
    assert all("\n" not in text for text in table["entailment"])
    assert (table["entailment"].str.len_chars() > 0).any()
    used = read_json(tmp_path / "generation.json")["server"]
    assert (used["requests"], used["retries"]) == (8, 0)
    assert used["prompt_tokens"] > 8 * 10
    assert 0 < used["completion_tokens"] <= 8 * params.generate.max_new_tokens
    counts = read_json(tmp_path / "scoring.json")
    assert counts["scored"] + counts["not_asked"] + counts["unreadable"] == 4
    assert counts["server"]["requests"] == 2 * (4 - counts["not_asked"])


def no_encoder(folder: Path, seed: int) -> None:
    """Nothing here asks for an encoder."""


def _server(params: Params, address: str, endpoint: str) -> ServerParams:
    # A busy machine is no slow server: nothing may be asked twice here.
    changes = {"base_url": address, "endpoint": endpoint, "concurrency": 2, "timeout_s": 600.0}
    return params.server.model_copy(update=changes)
