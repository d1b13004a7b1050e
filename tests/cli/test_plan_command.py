"""`multicsr plan`: what a corpus will take."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli import planning
from stages.planning import calibration
from stages.planning.calibration import Timing
from stages.planning.texts import Ratios
from tests.cli.running import ROOT, Run

PAGE = (ROOT / "docs/plan.md").read_text(encoding="utf-8")
KNOWN = ("--llm", "smollm2-135m", "--base", "all-minilm-l6-v2", "--guide", "all-minilm-l6-v2")
SCALE = ("--premises", "1M", "--characters", "80")


def test_a_plan_names_every_stage_and_what_is_assumed(run: Run, project: Path) -> None:
    ended = run("plan", *KNOWN, *SCALE, "--machine", "a100", "--price", "2", "--markdown")
    assert ended.code == 0
    names = [line.split("|")[1].strip() for line in ended.out.splitlines() if line[:1] == "|"]
    stages = ["generate", "score", "tables", "guide", "train"]
    assert names == ["stage", "---", *stages, "all", "disk", "cost"]
    assert "not measured" in ended.out
    assert "0.15 to 0.45" in ended.out


def test_json_says_the_same_for_programs(run: Run, project: Path) -> None:
    ended = run("plan", *KNOWN, *SCALE, "--machine", "a100", "--count", "1,8", "--json")
    found = json.loads(ended.out)
    assert [plan["devices"] for plan in found["plans"]] == [1, 8]
    one = found["plans"][0]
    assert one["seconds"]["low"] < one["seconds"]["expected"] < one["seconds"]["high"]
    assert one["flops"] == sum(stage["flops"] for stage in one["stages"])
    assert one["bottleneck"] in {stage["name"] for stage in one["stages"]}
    assert one["cost"] is None


def test_the_corpus_of_the_settings_is_read_where_none_is_named(run: Run, project: Path) -> None:
    lines = [f"Sentence number {n} is here." for n in range(30)]
    (project / "mine.txt").write_text("\n".join([*lines, *lines, ""]), encoding="utf-8")
    ended = run("plan", *KNOWN, "--corpus", "mine.txt", "--machine", "l4", "--json")
    (found,) = json.loads(ended.out)["plans"]
    assert found["premises"] == 30
    assert any("premises of 27 characters" in note for note in json.loads(ended.out)["notes"])


def test_a_setting_may_be_tried_without_writing_it_down(run: Run, project: Path) -> None:
    def flops(*changes: str) -> float:
        ended = run("plan", *KNOWN, *SCALE, "--machine", "l4", "--json", *changes)
        stages = json.loads(ended.out)["plans"][0]["stages"]
        return float(next(stage["flops"] for stage in stages if stage["name"] == "generate"))

    assert flops("--set", "generate.omega=0") < flops()
    assert flops("--set", "generate.samples=2") > flops()


def test_what_a_condition_spares_the_judges_is_not_guessed(run: Run, project: Path) -> None:
    asking = ("--set", "score.judges=[encoder,likelihood]", "--set", "score.where=encoder_a >= 3")
    notes = json.loads(run("plan", *KNOWN, *SCALE, "--machine", "l4", "--json", *asking).out)
    assert any("`score` is an upper bound" in note for note in notes["notes"])


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        ((*SCALE, "--machine", "z80"), "--machine 'z80' is none whose figures are known"),
        (("--premises", "many", "--characters", "9"), "--premises 'many' is no count"),
        ((*SCALE, "--machine", "l4", "--set", "omega=0"), "--set 'omega=0' sets nothing"),
        ((*SCALE, "--machine", "l4", "--set", "generate.omega=x"), "generate.omega = 'x'"),
        ((*SCALE, "--machine", "l4", "--llm", "gpt-9"), "'gpt-9' are not at hand"),
    ],
)
def test_what_cannot_be_planned_is_one_clear_line(
    run: Run, project: Path, arguments: tuple[str, ...], cause: str
) -> None:
    ended = run("plan", *KNOWN, *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert cause in ended.err
    assert "remedy: " in ended.err
    assert "Traceback" not in ended.err


def test_before_it_is_timed_this_machine_is_told_by_what_it_could_do(
    run: Run, project: Path
) -> None:
    ended = run("plan", *KNOWN, *SCALE, "--json")
    found = json.loads(ended.out)
    assert "not timed with these models (`multicsr plan --calibrate` does so)" in found["notes"][0]
    assert "assumed to be reached" in found["notes"][0]
    assert found["plans"][0]["seconds"]["expected"] > 3600  # no GPU here


def test_a_calibration_takes_the_models_that_are_here_and_no_others(
    run: Run, project: Path
) -> None:
    ended = run("plan", *KNOWN, "--calibrate")
    assert ended.code == 2
    assert "so nothing can be timed with it" in ended.err


def test_where_it_was_timed_the_plan_follows_from_that(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine: dict[str, Any] = {"processor": "abacus", "cores": 2, "accelerator": None}
    monkeypatch.setattr(planning, "_machine", lambda: machine)
    names = dict(zip(("llm", "base", "guide"), KNOWN[1::2], strict=True))
    runs = {
        stage: [Timing(8, 1e12, 20.0, 1.0), Timing(16, 2e12, 30.0, 1.0)]
        for stage in ("generate", "score", "train")
    }
    made = calibration.new(machine, names, {}, ratios=Ratios(measured=True), timings=runs)
    calibration.keep(made, project / ".work")
    ended = run("plan", *KNOWN, *SCALE, "--json")
    found = json.loads(ended.out)
    for stage in found["plans"][0]["stages"]:
        if stage["name"] in runs:
            assert stage["seconds"]["expected"] == pytest.approx(10.0 + 1e-11 * stage["flops"])
    assert "this machine, timed" in found["notes"][0]
    assert "timed with other settings: generate.batch_premises" in found["notes"][2]


def commands_on_the_page() -> list[str]:
    joined = PAGE.replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.startswith("multicsr plan --params")]


@pytest.mark.parametrize("command", commands_on_the_page(), ids=lambda command: command[-40:])
def test_the_page_shows_what_the_command_prints(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(ROOT)
    ended = run(*shlex.split(command)[1:])
    assert ended.code == 0
    table = "\n".join(line for line in ended.out.splitlines() if line.startswith("|"))
    assert table in PAGE


def test_the_page_shows_both_tables() -> None:
    assert len(commands_on_the_page()) == 2
