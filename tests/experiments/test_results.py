"""Reading figures, keeping params.yaml, writing results: without DVC."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from stages.errors import PipelineError
from stages.experiments import running, session
from stages.experiments.definitions import Column, Definition, find_definition
from stages.experiments.planning import Choice, Run, plan
from stages.experiments.recording import page, read_record, write_results
from stages.experiments.results import Kept, figures
from stages.experiments.running import RunFailedError, settings_kept, settings_of
from stages.experiments.session import Session

FILES = {
    "m.json": {"tasks": {"SICK-R.test": {"trained": 78.5, "base": 77.0}}, "list": [{"a": 0.25}]}
}
FACTS: dict[str, Any] = {
    "command": "multicsr experiments run grid",
    "scale": "starter",
    "seeds": [1, 2],
    "machine": {"cores": 2, "processor": "P <1>", "memory_gib": 4.0, "accelerator": None},
    "versions": {},
}
PROFILE: dict[str, Any] = {"train.sigma": 0.9, "train.seed": 7}


def read(path: str) -> bytes:
    if path not in FILES:
        raise FileNotFoundError(path)
    return json.dumps(FILES[path]).encode()


def column(value: str, **more: object) -> Column:
    return Column.model_validate({"name": "c", "title": "c", "value": value, **more})


def grid(**changes: object) -> Definition:
    values = {
        "name": "grid",
        "title": "A grid",
        "paper": "none",
        "claim": "A claim.",
        "axes": {"train.sigma": [0.8, 0.9]},
        "columns": [{"name": "c", "title": "c", "value": "m.json#mean"}],
        "expect": [{"kind": "best_at", "column": "c", "axis": "train.sigma", "at": 0.9}],
        "chart": {"kind": "lines", "columns": ["c"], "axis": "train.sigma", "y": "c"},
        "scales": {"starter": {"profile": "starter", "seeds": [1, 2]}},
        **changes,
    }
    return Definition.model_validate(values)


def test_a_figure_is_found_by_its_way_through_the_file() -> None:
    place = column("m.json#tasks/SICK-R.test/trained", base="m.json#tasks/SICK-R.test/base")
    assert figures([place], read) == ({"c": 78.5}, {"c": 77.0})
    assert figures([column("m.json#list/0/a", factor=100)], read) == ({"c": 25.0}, {})


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("n.json#mean", "no readable n.json"),
        ("m.json#tasks/STS12/trained", "there is no 'STS12' among SICK-R.test"),
        ("m.json#list/3/a", "there is no '3'"),
        ("m.json#tasks", "not a number"),
    ],
)
def test_a_figure_that_is_not_there_is_named(value: str, said: str) -> None:
    with pytest.raises(PipelineError, match=said):
        figures([column(value)], read)


class Runs:
    """Stands in for DVC: what a run would leave, by its settings."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.kept: dict[str, float] = {}
        self.broken: set[str] = set()

    def make(self, run: Run) -> None:
        self.made.append(run.name)
        if run.name in self.broken:
            raise RunFailedError("the stage fell over", remedy="look at the log.")
        self.kept[run.digest] = float(str(run.settings["train.sigma"])) * 10 + run.seed


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Runs:
    """No DVC and no Git: only what the session makes of them."""
    runs = Runs()

    def found(self: Session, run: Run, _: Sequence[Kept] = ()) -> dict[str, Any] | None:
        if run.digest not in runs.kept:
            return None
        own = {"c": runs.kept[run.digest]}
        return {"state": "done", "cause": None, "figures": own, "base": {}, "commit": "abc"}

    monkeypatch.setattr(Session, "found", found)
    monkeypatch.setattr(Session, "_make", lambda _self, run: runs.make(run))
    monkeypatch.setattr(Session, "_figures_after", found)
    monkeypatch.setattr(session, "revision", lambda _root: "abc1234")
    return runs


def start(folder: Path, *, again: bool = False, **changes: object) -> list[dict[str, Any]]:
    made = grid(**changes)
    planned = plan(made, Choice("starter"), profile=PROFILE)
    return Session(made, folder, folder / "out", PROFILE, FACTS).run_all(planned, again=again)


def test_a_second_session_asks_nothing_again(tmp_path: Path, runs: Runs) -> None:
    first = start(tmp_path)
    assert len(runs.made) == 4
    seconds = [result["seconds"] for result in first]
    assert None not in seconds
    again = start(tmp_path)
    assert len(runs.made) == 4
    assert [result["figures"] for result in again] == [result["figures"] for result in first]
    assert [result["seconds"] for result in again] == seconds, "what they took is not forgotten"
    start(tmp_path, again=True)
    assert len(runs.made) == 8


def test_what_fails_is_noted_and_the_others_go_on(tmp_path: Path, runs: Runs) -> None:
    broken = plan(grid(), Choice("starter"), profile=PROFILE)[1].name
    runs.broken = {broken}
    results = start(tmp_path)
    assert [result["state"] for result in results] == ["done", "failed", "done", "done"]
    text = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "failed: sigma 0.8, seed 2: the stage fell over" in text
    assert "3 of 4 runs ended well" in text
    runs.broken = set()
    runs.made.clear()
    assert {result["state"] for result in start(tmp_path)} == {"done"}
    assert runs.made == [broken]


def test_after_every_run_the_results_so_far_are_there(tmp_path: Path, runs: Runs) -> None:
    def stop_at_the_third(run: Run) -> None:
        if len(runs.made) == 2:
            raise KeyboardInterrupt
        Runs.make(runs, run)

    runs.make = stop_at_the_third  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        start(tmp_path)
    record = read_record(tmp_path / "out")
    assert record is not None
    assert [run["state"] for run in record["runs"]] == ["done", "done", "open", "open"]
    assert record["finding"] == "Nothing can be said before the rows that are compared have run."


def test_all_files_say_the_same(tmp_path: Path, runs: Runs) -> None:
    start(tmp_path)
    folder = tmp_path / "out"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("plot.svg", "record.json", "table.md", "table.tsv")
    ]
    text = (folder / "table.md").read_text(encoding="utf-8")
    assert "| sigma 0.9 | 2 | 10.50 \N{PLUS-MINUS SIGN} 0.71 |" in text
    assert "c is greatest at sigma 0.9 (10.50), where the paper has it" in text
    assert "`multicsr experiments run grid`" in text
    assert "abc1234" in text
    assert (folder / "table.tsv").read_text(encoding="utf-8").startswith("row\tseeds\tc\tc_sd\n")
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    assert record["runs"][0]["settings"] == {"train.sigma": 0.8, "train.seed": 1}
    assert str(tmp_path) not in json.dumps(record)
    assert (folder / "plot.svg").read_text(encoding="utf-8").startswith("<svg")


def test_a_claim_of_ones_own_is_not_the_papers(tmp_path: Path, runs: Runs) -> None:
    start(tmp_path, paper=None)
    text = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    assert "**The claim:** A claim." in text
    assert "arxiv.org" not in text


def test_what_models_wrote_cannot_break_the_page() -> None:
    cases = {"a|b": ["<script>x</script>", "two\nlines"]}
    run = {"row": "plain", "seed": 1, "state": "done", "seconds": 1.0, "cases": cases}
    record = {**FACTS, "runs": [{**run, "figures": {}, "base": {}, "places": {}}]}
    record |= {"finding": "-", "findings": [], "revision": "abc"}
    text = page(find_definition("cases"), record)
    assert "| a\\|b | plain | &lt;script&gt;x&lt;/script&gt; | two lines |" in text


def test_an_experiment_without_good_runs_has_a_page(tmp_path: Path) -> None:
    run = {"row": "r", "seed": 1, "state": "failed", "cause": "no", "seconds": 2.0, "places": {}}
    record = {**FACTS, "revision": "abc", "runs": [{**run, "figures": {}, "base": {}}]}
    write_results(tmp_path, grid(), record)
    assert "No run has ended well yet." in (tmp_path / "table.md").read_text(encoding="utf-8")
    assert not (tmp_path / "plot.svg").exists()


OLD = "train:\n  sigma: 0.9  # chosen with care\n"
OURS = {"train.sigma": 0.5}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RunFailedError("no", remedy="none.")])
def test_params_are_as_before_after_a_run_that_was_stopped(tmp_path: Path, error: Any) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(OLD)

    def run() -> None:
        with settings_kept(path, ours=OURS):
            path.write_text("train:\n  sigma: 0.5\n")
            raise error

    with pytest.raises(type(error) if isinstance(error, Exception) else error):
        run()
    assert path.read_text() == OLD


def test_what_a_person_writes_into_params_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(OLD)
    with settings_kept(path, ours=OURS):
        path.write_text("train:\n  sigma: 0.7\n")
    assert settings_of(path) == {"train.sigma": 0.7}


def test_a_stopped_run_ends_with_all_its_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "import subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('error: ' + str(child.pid), flush=True); child.wait()"
    )

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(running.log, "info", interrupt)
    log_file = tmp_path / "logs/run.log"
    with pytest.raises(KeyboardInterrupt):
        running._call([sys.executable, "-c", code], root=tmp_path, log_file=log_file)
    child = int(log_file.read_text().split("error: ")[1].split()[0])
    for _ in range(100):
        if not _is_alive(child):
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} lives on")


def _is_alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_the_line_that_says_what_went_wrong_is_told(tmp_path: Path) -> None:
    code = "print('noise'); print('error: no such file'); print('  remedy: x'); raise SystemExit(2)"
    with pytest.raises(RunFailedError) as caught:
        running._call([sys.executable, "-c", code], root=tmp_path, log_file=tmp_path / "run.log")
    assert caught.value.cause == "no such file"
    assert "run.log" in caught.value.remedy
