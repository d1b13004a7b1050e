"""One command a stage, with the options that dvc.yaml and the stage itself expect."""

import ast
import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ruamel.yaml import YAML

import stages
from cli.options import work_folder
from cli.stage_commands import STAGES
from stages.engines.local import LocalEngine
from stages.errors import PipelineError
from tests.cli.running import ROOT, Run

NAMES = [command.__name__ for command in STAGES]


@pytest.fixture
def called(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the stage was called with: every stage is replaced by one that only writes that down."""
    written_down: dict[str, Any] = {}

    def run(params: object, **given: Any) -> None:
        written_down.update(given, params=params)

    for name in NAMES:
        monkeypatch.setattr(stages, name, SimpleNamespace(run=run), raising=False)
    return written_down


def test_there_is_one_command_a_stage_in_the_order_of_dvc_yaml() -> None:
    pipeline = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    assert list(pipeline["stages"]) == NAMES


def keywords_of_run(stage: str) -> set[str]:
    tree = ast.parse((ROOT / "stages" / f"{stage}.py").read_text(encoding="utf-8"))
    run = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "run")
    return {argument.arg for argument in run.args.kwonlyargs}


@pytest.mark.parametrize("name", NAMES)
def test_a_command_gives_its_stage_all_it_takes(
    run: Run, called: dict[str, Any], name: str
) -> None:
    assert run(name).code == 0
    assert set(called) - {"params"} == keywords_of_run(name)


def paths_in(command: str) -> dict[str, str]:
    words = command.split()
    # What a stage reads from where params.yaml says, it is told without an option.
    implied = {"evaluate": {"benchmarks": "data/starter/benchmarks"}}.get(words[3], {})
    return implied | {
        words[i].removeprefix("--"): words[i + 1]
        for i in range(len(words))
        if words[i].startswith("--") and words[i] != "--timing"
    }


@pytest.mark.parametrize("name", NAMES)
def test_without_options_a_command_does_what_dvc_repro_does(
    run: Run, called: dict[str, Any], name: str
) -> None:
    pipeline = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    expected = paths_in(pipeline["stages"][name]["cmd"])
    assert run(name).code == 0
    assert {option.replace("-", "_"): Path(path) for option, path in expected.items()} == {
        key: value for key, value in called.items() if isinstance(value, Path) and key != "work"
    }


def test_validate_is_told_the_thresholds_of_curation(run: Run, called: dict[str, Any]) -> None:
    run("validate")
    assert called["curation"].alpha is not None
    assert called["params"].kept_ratio_min is not None


def test_unfinished_work_stays_under_the_project_that_dvc_names(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DVC_ROOT", raising=False)
    assert work_folder(None) == Path(".work")
    monkeypatch.setenv("DVC_ROOT", "/project")
    assert work_folder(None) == Path("/project/.work")
    assert work_folder(Path("elsewhere")) == Path("elsewhere")


def test_timing_tells_what_the_stage_cost(run: Run, called: dict[str, Any]) -> None:
    assert run("curate", "--timing", "reports/timings/curate.json").code == 0
    record = json.loads(Path("reports/timings/curate.json").read_text(encoding="utf-8"))
    assert list(record) == ["stage", "seconds", "peak_mib", "finished", "machine", "versions"]
    assert record["stage"] == "curate"
    assert 0 <= record["seconds"] < 60
    assert record["peak_mib"] > 1
    assert record["finished"].endswith("+00:00")
    assert set(record["machine"]) == {
        "processor",
        "cores",
        "memory_gib",
        "accelerator",
        "bfloat16",
        "python",
        "platform",
    }
    assert {"multicsr", "torch"} <= set(record["versions"])


def test_timing_tells_what_each_worker_made(
    run: Run, called: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def made(*_: object, engine: LocalEngine, **__: object) -> None:
        engine.throughput.add("node-7", rows=6, seconds=1.5)
        engine.throughput.add("node-7", rows=2, seconds=0.5)

    monkeypatch.setattr(stages.generate, "run", made)
    assert run("generate", "--timing", "timing.json").code == 0
    (worker,) = json.loads(Path("timing.json").read_text(encoding="utf-8"))["workers"]
    assert worker == {"name": "node-7", "shards": 2, "rows": 8, "seconds": 2.0, "rate": 4.0}


def test_a_stage_that_fails_leaves_no_timing(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(params: object, **given: object) -> None:
        raise PipelineError("no.", remedy="yes.")

    monkeypatch.setattr(stages, "curate", SimpleNamespace(run=fail), raising=False)
    assert run("curate", "--timing", "timing.json").code == 2
    assert not Path("timing.json").exists()


def test_progress_reaches_the_stage_and_counts(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advance_thrice(params: object, *, progress: Any, **given: object) -> None:
        with progress("score", total=3, unit="triplets") as advance:
            for _ in range(3):
                advance(1)
        logging.getLogger("stages.score").info("score: 3 triplets")

    monkeypatch.setattr(stages, "score", SimpleNamespace(run=advance_thrice), raising=False)
    ended = run("score")
    assert (ended.code, ended.out, ended.err) == (0, "", "score: 3 triplets\n")
