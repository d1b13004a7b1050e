"""dvc.yaml, params.yaml and the code agree."""

from typing import Any

import pytest
from ruamel.yaml import YAML

from stages.params import settings
from tests.pipeline.imports import ROOT, file_of, reachable

PIPELINE: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = PIPELINE["stages"]
KEYS = [key for key, _ in settings()]
# Of the stages that read others than the one of their name.
SECTIONS = {
    "fetch": ("models",),
    "generate": ("generate", "server"),
    "score": ("score", "server"),
    "validate": ("validate", "curate"),
}
# Settings of other sections that a stage reads as well.
FURTHER_KEYS = {
    "prepare": {"evaluate.tasks"},
    "curate": {"score.judges", "score.where"},
    "evaluate": {"prepare.benchmarks"},
}
# What only says how things are told and checked does not make results stale.
WITHOUT_DEPS = {
    "stages/documents.py",
    "stages/errors.py",
    "stages/progress.py",
    "stages/params.py",
    "stages/model_files/trust.py",
}


def test_the_stages_are_the_nine_verbs_in_order() -> None:
    expected = "fetch prepare generate score curate validate train evaluate report"
    assert list(STAGES) == expected.split()


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_every_module_behind_the_stage(stage: str) -> None:
    files = {file_of(module) for module in reachable(f"stages.{stage}")}
    needed = {file.relative_to(ROOT).as_posix() for file in files if file}
    needed = {name for name in needed if not name.endswith("__init__.py")} - WITHOUT_DEPS
    deps = STAGES[stage]["deps"]
    missing = {n for n in needed if not any(n == d or n.startswith(f"{d}/") for d in deps)}
    assert missing == set(), f"add to deps of stage {stage} in dvc.yaml: {sorted(missing)}"


@pytest.mark.parametrize("stage", STAGES)
def test_deps_on_code_exist(stage: str) -> None:
    assert [
        d for d in STAGES[stage]["deps"] if d.startswith("stages") and not (ROOT / d).exists()
    ] == []


@pytest.mark.parametrize("stage", [s for s in STAGES if s != "report"])
def test_params_list_every_setting_of_the_stage_key_by_key(stage: str) -> None:
    sections = SECTIONS.get(stage, (stage,))
    own = {key for key in KEYS if key.split(".")[0] in sections}
    assert set(STAGES[stage]["params"]) == own | FURTHER_KEYS.get(stage, set())


def test_another_engine_makes_no_stage_stale() -> None:
    assert [
        (stage, key)
        for stage, settings_of in STAGES.items()
        for key in settings_of["params"]
        if key.split(".")[0] == "engine"
    ] == []


@pytest.mark.parametrize("stage", STAGES)
def test_every_stage_describes_itself_and_calls_its_own_command(stage: str) -> None:
    assert STAGES[stage]["desc"]
    assert STAGES[stage]["cmd"].startswith(f"python -m cli {stage} ")


@pytest.mark.parametrize("stage", STAGES)
def test_every_output_is_named_on_the_command_line(stage: str) -> None:
    outputs = [*STAGES[stage]["outs"], *STAGES[stage].get("metrics", [])]
    assert [out for out in outputs if out not in STAGES[stage]["cmd"]] == []
