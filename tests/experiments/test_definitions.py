"""The definitions that come with multicsr hold together, and with params.yaml."""

import json
from pathlib import Path

import polars as pl
import pytest
from ruamel.yaml import YAML

from cli.experiments_commands import check_settings
from stages.errors import PipelineError
from stages.experiments.definitions import (
    Above,
    Definition,
    catalogue,
    find_definition,
    parse_definition,
)
from stages.experiments.planning import Choice, needed_files, plan
from stages.experiments.running import settings_of
from tests.pipeline.imports import ROOT

CATALOGUE = catalogue()
PIPELINE = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
WRITTEN = {
    out
    for stage in PIPELINE.values()
    for out in [*stage.get("outs", []), *stage.get("metrics", [])]
}
OWN = [find_definition(str(path)) for path in sorted((ROOT / "grids").glob("*.yaml"))]
EACH = pytest.mark.parametrize("definition", CATALOGUE, ids=lambda one: one.name)
EACH_SCALE = pytest.mark.parametrize(
    ("definition", "scale"),
    [(one, scale) for one in (*CATALOGUE, *OWN) for scale in one.scales],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
EACH_AND_OWN = pytest.mark.parametrize("definition", [*CATALOGUE, *OWN], ids=lambda one: one.name)

SMALL = """
title: A grid
paper: none
claim: Nothing.
axes: {train.sigma: [0.8, 0.9]}
columns:
  - {name: mean, title: mean, value: reports/metrics.json#mean/trained}
scales:
  starter: {profile: starter, seeds: [1]}
"""


@EACH_SCALE
def test_every_run_of_every_experiment_has_settings_that_the_pipeline_takes(
    definition: Definition, scale: str, tmp_path: Path
) -> None:
    profile = settings_of(ROOT / f"profiles/{definition.scale(scale).profile}.yaml")
    runs = plan(definition, Choice(scale, (), tmp_path, tmp_path), profile=profile)
    assert runs
    for run in runs:
        assert set(run.settings) == set(profile)
        check_settings(run.settings, run.name)
        assert "${" not in json.dumps(run.settings)


@EACH_AND_OWN
def test_what_it_reads_off_is_written_before_its_last_stage_ends(definition: Definition) -> None:
    if definition.kind == "command":
        return
    names = list(PIPELINE)
    stages = [PIPELINE[name] for name in names[: names.index(definition.target) + 1]]
    outs = [out for stage in stages for out in [*stage["outs"], *stage.get("metrics", [])]]
    files = [column.value.partition("#")[0] for column in definition.columns]
    files += [definition.cases.file] if definition.cases else []
    for file in files:
        assert any(file == out or file.startswith(f"{out}/") for out in outs), file


@EACH
def test_it_can_be_read_by_a_person(definition: Definition) -> None:
    assert definition.paper is not None
    assert definition.paper.split()[0] in {"Table", "Figure"}
    assert len(definition.claim) > 40
    starter = definition.scale("starter")
    assert starter.minutes is not None
    assert starter.minutes <= 40
    assert definition.scale("paper").profile == "paper-flan-t5-xl"


@EACH_AND_OWN
def test_the_rows_it_compares_exist(definition: Definition, tmp_path: Path) -> None:
    profile = settings_of(ROOT / "profiles/starter.yaml")
    runs = plan(definition, Choice("starter", (), tmp_path, tmp_path), profile=profile)
    rows = {run.row for run in runs} | {definition.base_row}
    for expectation in definition.expect:
        if isinstance(expectation, Above):
            assert {expectation.row, *expectation.than} <= rows
    names = [run.name for run in runs]
    assert len(set(names)) == len(names)


def test_each_table_and_figure_is_there_once() -> None:
    places = [definition.paper or "" for definition in CATALOGUE]
    assert [p for p in places if p.startswith("Table")] == [f"Table {n}" for n in range(1, 14)]
    figures = [p for p in places if p.startswith("Figure")]
    assert figures == [f"Figure {n}" for n in range(4, 8)]


def test_two_experiments_share_the_runs_that_are_equal(tmp_path: Path) -> None:
    profile = settings_of(ROOT / "profiles/starter.yaml")
    choice = Choice("starter", (), tmp_path, tmp_path)
    digests = [
        {run.digest for run in plan(find_definition(name), choice, profile=profile)}
        for name in ("sts", "ablation")
    ]
    assert len(digests[0] & digests[1]) == 6  # MultiCSR and raw generation, three seeds each


def test_files_of_real_data_are_known_before_anything_runs() -> None:
    choice = Choice("starter", ())
    assert needed_files(find_definition("sources"), choice) == [
        "",
        "nli/premises.tsv",
        "wiki/sentences.tsv",
    ]
    assert needed_files(find_definition("judges"), choice) == ["sts/STSB.dev.tsv"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[0.8, 0.9]}", "[0.8, 0.9]}\nsets: 1", "sets = 1: Extra inputs"),
        ("mean/trained}", "mean/trained}\nexpect: [{kind: trend, column: maen, axis: train.sigma, "
         "direction: falls}]", "there is no column 'maen', did you mean mean?"),
        ("axes: {train.sigma: [0.8, 0.9]}", "", "axes or variants must be given"),
        ("metrics.json#mean/trained", "metrics.json", "columns.0.value"),
        ("seeds: [1]", "seeds: []", "scales.starter.seeds"),
        ("title: A grid", "title: [", "is not YAML"),
    ],
)  # fmt: skip
def test_a_faulty_definition_is_refused_by_file_and_key(old: str, new: str, said: str) -> None:
    with pytest.raises(PipelineError) as caught:
        parse_definition(SMALL.replace(old, new), name="grid", place="my/grid.yaml")
    assert "my/grid.yaml" in caught.value.cause
    assert said in caught.value.cause
    assert caught.value.remedy


def test_an_unknown_experiment_gets_a_near_name() -> None:
    with pytest.raises(PipelineError, match="did you mean omega"):
        find_definition("omgea")


def test_a_file_of_ones_own_is_an_experiment(tmp_path: Path) -> None:
    path = tmp_path / "my-grid.yaml"
    path.write_text(SMALL, encoding="utf-8")
    assert find_definition(str(path)).name == "my-grid"


def test_schema_of_cases_is_that_of_triplets() -> None:
    from stages.tables.schemas import TRIPLETS

    cases = find_definition("cases").cases
    assert cases is not None
    assert {cases.by, *cases.show} <= set(TRIPLETS)
    assert all(TRIPLETS[name] is pl.String for name in cases.show)
