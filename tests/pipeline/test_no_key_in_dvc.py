"""What DVC and Git keep of runs with a served model holds no key: failed runs and good ones."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from stages.documents import load_yaml
from tests.cli.test_a_planted_key import KEY, repeating, traces
from tests.language_models.servers.hostile import Hostile, hostile_server, well
from tests.pipeline.test_dvc_repro import copy_of_the_project, run

pytestmark = pytest.mark.pipeline


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with hostile_server() as server:
        yield server


def test_neither_experiments_nor_caches_nor_commits_hold_the_key(
    hostile: Hostile, tmp_path: Path
) -> None:
    copy_of_the_project(tmp_path)
    values = load_yaml((tmp_path / "profiles/smoke.yaml").read_text(encoding="utf-8"))
    values["models"]["llm"]["reference"] = "api:tiny"
    values["prepare"]["limit"] = 2
    values["generate"] |= {"omega": 0.0, "plausibility": 0.0, "top_k": 0, "no_repeat_ngram": 0}
    address = f"http://127.0.0.1:{hostile.server_port}/v1"
    values["server"] |= {"base_url": address, "max_attempts": 1}
    (tmp_path / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    run(tmp_path, "git", "add", "--all")
    run(tmp_path, "git", "commit", "--quiet", "--message", "a served model")
    said = []
    for code in (401, 500):
        hostile.usual = repeating("application/json", code)
        with pytest.raises(AssertionError, match=f"answers {code}") as failed:
            run(tmp_path, "dvc", "exp", "run", "generate")
        said.append(str(failed.value))
    hostile.usual = well
    said.append(run(tmp_path, "dvc", "exp", "run", "generate"))
    assert run(tmp_path, "dvc", "exp", "list", "--names-only").strip()
    objects = ["git", "cat-file", "--batch", "--batch-all-objects"]
    stored = subprocess.run(objects, cwd=tmp_path, capture_output=True, check=True).stdout
    assert b"api:tiny" in stored  # so the objects are really looked into
    assert KEY[:12].encode() not in stored
    assert traces(tmp_path, *said) == []
