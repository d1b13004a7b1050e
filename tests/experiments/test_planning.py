"""From a definition to runs: pure, so everything is checked without running anything."""

from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from stages.errors import PipelineError
from stages.experiments.definitions import Definition, Rows
from stages.experiments.inputs import inputs_folder, make_inputs
from stages.experiments.planning import Choice, override, plan
from stages.experiments.running import dvc_command
from tests.experiments.definitions_at_hand import definition

PROFILE: dict[str, Any] = {
    "prepare.sentences": "a.tsv",
    "curate.alpha": 1.0,
    "train.sigma": 0.9,
    "train.objective": "masked",
    "train.seed": 7,
}


def grid(**changes: object) -> Definition:
    size = {"profile": "starter", "seeds": [1, 2], "settings": {"train.sigma": 0.6}}
    values: dict[str, object] = {
        "settings": {"prepare.sentences": "${data}/b.tsv", "train.sigma": 0.5},
        "axes": {"curate.alpha": [1, 2], "train.objective": ["masked", "supervised"]},
        "scales": {"starter": size},
    }
    return definition(**values | changes)


def choice(**changes: object) -> Choice:
    return Choice(**{"scale": "starter", "data": Path("/data"), **changes})  # type: ignore[arg-type]


def test_the_runs_are_the_grid_times_the_seeds_in_order() -> None:
    runs = plan(grid(), choice(), profile=PROFILE)
    at = [(r.places["curate.alpha"], r.places["train.objective"], r.seed) for r in runs]
    assert at == [
        (alpha, objective, seed)
        for alpha in (1, 2)
        for objective in ("masked", "supervised")
        for seed in (1, 2)
    ]
    assert runs[0].row == "alpha 1, objective masked"


def test_what_is_nearer_to_the_run_wins() -> None:
    run = plan(grid(), choice(settings={"curate.alpha": 4}), profile=PROFILE)[0]
    assert run.settings == {
        "prepare.sentences": "/data/b.tsv",
        "curate.alpha": 4.0,
        "train.sigma": 0.6,
        "train.objective": "masked",
        "train.seed": 1,
    }
    assert run.changed["prepare.sentences"] == "${data}/b.tsv", "no path of a machine is recorded"


def test_a_name_tells_settings_apart_and_nothing_else() -> None:
    here = plan(grid(), choice(), profile=PROFILE)
    there = plan(grid(name="other"), choice(), profile=PROFILE)
    assert [run.digest for run in here] == [run.digest for run in there]
    assert len({run.digest for run in here}) == len(here)
    elsewhere = plan(grid(), choice(data=Path("/other")), profile=PROFILE)
    assert not {run.digest for run in here} & {run.digest for run in elsewhere}


def test_a_whole_number_where_the_profile_has_a_fraction_is_that_fraction() -> None:
    whole = plan(grid(axes={"curate.alpha": [1]}), choice(), profile=PROFILE)
    fraction = plan(grid(axes={"curate.alpha": [1.0]}), choice(), profile=PROFILE)
    assert [r.digest for r in whole] == [r.digest for r in fraction]


def test_seeds_and_axes_may_be_chosen() -> None:
    scale = {"profile": "starter", "seeds": [1], "axes": {"curate.alpha": [3]}}
    runs = plan(grid(scales={"starter": scale}), choice(seeds=(4, 5, 6)), profile=PROFILE)
    assert {run.places["curate.alpha"] for run in runs} == {3}
    assert {run.settings["train.seed"] for run in runs} == {4, 5, 6}


def test_a_variant_may_have_places_of_its_own() -> None:
    short = {"name": "short", "axes": {"curate.alpha": [1]}}
    variants = [{"name": "long"}, short]
    axes = {"curate.alpha": [1, 2]}
    runs = plan(grid(axes=axes, variants=variants), choice(seeds=(1,)), profile=PROFILE)
    assert [run.row for run in runs] == ["long, alpha 1", "long, alpha 2", "short, alpha 1"]
    made_small = {"profile": "starter", "seeds": [1], "axes": {"curate.alpha": [3]}}
    small = grid(axes=axes, variants=variants, scales={"starter": made_small})
    rows = [run.row for run in plan(small, choice(), profile=PROFILE)]
    assert rows == ["long, alpha 3", "short, alpha 3"]
    with pytest.raises(ValueError, match=r"no axis 'curate\.alhpa', did you mean curate\.alpha"):
        grid(axes=axes, variants=[{"name": "short", "axes": {"curate.alhpa": [1]}}])


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(PipelineError, match=r"train\.sgima, which is no setting"):
        plan(grid(settings={"train.sgima": 1}), choice(), profile=PROFILE)


def test_real_data_must_be_named() -> None:
    with pytest.raises(PipelineError, match="--data FOLDER"):
        plan(grid(), choice(data=None), profile=PROFILE)


def test_a_placeholder_that_stands_for_nothing_is_refused() -> None:
    with pytest.raises(PipelineError, match="stands for nothing"):
        plan(grid(settings={"prepare.sentences": "${dta}/x"}), choice(), profile=PROFILE)


def test_only_what_differs_from_the_settings_in_force_is_handed_to_dvc() -> None:
    run = plan(grid(), choice(), profile=PROFILE)[0]
    command = dvc_command(run, target="evaluate", current={**run.settings, "train.seed": 9})
    assert command == [
        *("dvc", "exp", "run", "--temp", "--name", run.name),
        *("--set-param", "train.seed=1", "evaluate"),
    ]


texts = st.text(max_size=12).filter(str.isprintable) | st.text("\\'\"a ,]", max_size=6)
values = st.none() | st.booleans() | st.integers(-9, 9) | texts


@given(values | st.lists(texts, max_size=3))
def test_hydra_reads_back_every_value(value: object) -> None:
    parsed = OverridesParser.create().parse_override(override("a.b", value))  # type: ignore[arg-type]
    read = parsed.value()
    plain = [getattr(v, "text", v) for v in read] if isinstance(read, list) else read
    assert getattr(plain, "text", plain) == value


def test_inputs_are_the_named_rows_in_a_folder_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "gold.tsv").write_text("premise\n" + "".join(f"{n}\n" for n in range(9)))
    rows = {"labelled": Rows(file="${data}/gold.tsv", first=4, rows=2)}
    folder = inputs_folder(tmp_path, rows, tmp_path)
    make_inputs(folder, rows, tmp_path)
    assert (folder / "labelled.tsv").read_text() == "premise\n4\n5\n"
    others = {"labelled": Rows(file="${data}/gold.tsv", first=8, rows=2)}
    assert inputs_folder(tmp_path, others, tmp_path) != folder
    with pytest.raises(PipelineError, match="has 9 rows; rows 8 to 10 are wanted"):
        make_inputs(folder, others, tmp_path)
