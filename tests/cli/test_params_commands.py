"""Showing, explaining and switching the settings."""

import re
import subprocess
from pathlib import Path

import pytest

from cli.profiles import settings_in
from stages.params import settings
from stages.params_file import load_params
from tests.cli.running import ROOT, Run

PROFILES = ["laptop-best", "paper-api", "paper-flan-t5-xl", "smoke", "starter"]


def test_the_profiles_are_these() -> None:
    assert sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml")) == PROFILES


@pytest.mark.parametrize("name", PROFILES)
def test_every_profile_is_valid_names_itself_and_says_what_it_needs(name: str) -> None:
    path = ROOT / "profiles" / f"{name}.yaml"
    assert load_params(path).profile == name
    assert path.read_text(encoding="utf-8").startswith(f"# {name}: ")


def test_the_committed_settings_are_those_of_their_profile() -> None:
    committed = ROOT / "params.yaml"
    profile = ROOT / "profiles" / f"{load_params(committed).profile}.yaml"
    assert settings_in(committed) == settings_in(profile)


def test_show_gives_every_setting_with_its_full_key(run: Run, project: Path) -> None:
    shown = run("params", "show").out.splitlines()
    assert [line.split(" = ")[0] for line in shown] == [key for key, _ in settings()]
    assert "profile = starter" in shown
    assert "curate.swap_reversed = false" in shown
    assert any(line.startswith("generate.prompts = ") for line in shown)


def test_show_can_be_narrowed_to_sections_and_keys(run: Run, project: Path) -> None:
    shown = run("params", "show", "curate", "train.tau").out.splitlines()
    assert [line.split(" = ")[0] for line in shown] == [
        "curate.alpha",
        "curate.beta",
        "curate.gamma",
        "curate.triplets_per_premise",
        "curate.swap_reversed",
        "curate.where",
        "train.tau",
    ]


def test_an_unknown_setting_gets_the_nearest(run: Run, project: Path) -> None:
    ended = run("params", "show", "curate.gama")
    assert ended.code == 2
    assert "there is no setting 'curate.gama', did you mean curate.gamma?" in ended.err


def test_explain_has_words_for_every_setting(run: Run, project: Path) -> None:
    shown = run("params", "explain").out
    for key, field in settings():
        assert f"\n{key} = " in f"\n{shown}"
        assert field.description, key
        assert field.description.split()[0] in shown


def test_explain_tells_range_choices_and_present_value(run: Run, project: Path) -> None:
    keys = ("train.tau", "curate.alpha", "train.objective", "score.judges", "prepare.limit")
    shown = run("params", "explain", *keys)
    assert re.search(r"(?m)^train.tau = [0-9.]+\n    number, above 0", shown.out)
    assert "number, at least 0, at most 5" in shown.out
    assert "one of masked, supervised, unsupervised" in shown.out
    assert "score.judges = [likelihood]\n    a list, each once: generate, " in shown.out
    assert re.search(r"contrast,\s+encoder, nli\s", shown.out)
    assert "whole number or null, at least 1" in shown.out


def test_explain_helps_also_when_the_settings_are_at_fault(run: Run, project: Path) -> None:
    (project / "params.yaml").write_text("train: {tau: -1}\n", encoding="utf-8")
    ended = run("params", "explain", "train")
    assert ended.code == 0
    assert "train.tau = -1" in ended.out


def test_switching_shows_the_difference_and_makes_it(run: Run, project: Path) -> None:
    ended = run("params", "switch", "smoke")
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["profile", "starter", "smoke"] in rows
    assert any(row[:1] == ["prepare.limit"] and row[-1] == "64" for row in rows)
    assert not any(row[:1] == ["evaluate.confidence"] for row in rows)
    assert "to go back: multicsr params switch starter" in ended.err
    smoke = (project / "profiles/smoke.yaml").read_bytes()
    assert (project / "params.yaml").read_bytes() == smoke


def test_a_dry_run_changes_nothing(run: Run, project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    ended = run("params", "switch", "smoke", "--dry-run")
    assert ended.code == 0
    assert "prepare.limit" in ended.out
    assert (project / "params.yaml").read_bytes() == before


def test_switching_to_what_is_in_force_does_nothing(run: Run, project: Path) -> None:
    ended = run("params", "switch", "starter")
    assert (ended.code, ended.out) == (0, "")
    assert "nothing to do" in ended.err


def test_an_unknown_profile_gets_the_nearest_and_the_list(run: Run, project: Path) -> None:
    ended = run("params", "switch", "stater")
    assert ended.code == 2
    assert ended.err.startswith("error: there is no profile 'stater', did you mean starter?\n")
    assert "choose one of laptop-best, paper-api, paper-flan-t5-xl, smoke, starter." in ended.err


def _own_value(project: Path) -> None:
    path = project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub("tau: .*", "tau: 0.0712", text), encoding="utf-8")


def test_settings_kept_nowhere_else_are_not_given_up_unasked(run: Run, project: Path) -> None:
    _own_value(project)
    before = (project / "params.yaml").read_bytes()
    ended = run("params", "switch", "smoke")
    assert ended.code == 2
    assert "--force" in ended.err
    assert (project / "params.yaml").read_bytes() == before
    assert run("params", "switch", "smoke", "--force").code == 0
    assert load_params(project / "params.yaml").profile == "smoke"


def test_settings_that_git_keeps_may_be_replaced(run: Run, project: Path) -> None:
    _own_value(project)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "params.yaml"], [*identity, "commit", "-qm", "x"]):
        subprocess.run(["git", *command], check=True)
    ended = run("params", "switch", "smoke")
    assert ended.code == 0
    assert "to go back: git checkout -- params.yaml" in ended.err
