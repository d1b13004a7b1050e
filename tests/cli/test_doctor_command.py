"""Is everything in place?"""

import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import health, machine
from cli.profiles import settings_in
from tests.cli.running import Run


@dataclass
class _Disk:
    free: int


def always(answer: object) -> Callable[..., object]:
    """Return a function that gives ``answer`` whatever it is asked."""
    return lambda *_: answer


@pytest.fixture
def healthy(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with all artefacts on a machine with enough of everything."""
    settings = settings_in(project / "params.yaml")
    for name in ("llm", "base", "guide"):
        reference = settings[f"models.{name}.reference"]
        folder = project / "models" / name
        folder.mkdir(parents=True)
        (folder / "source.json").write_text(json.dumps({"reference": reference}), encoding="utf-8")
    (project / "models/encoder").mkdir()
    (project / "models/encoder/modules.json").write_text("[]", encoding="utf-8")
    (project / ".dvc").mkdir()
    monkeypatch.setattr(health, "_changed_stages", always([]))
    monkeypatch.setattr(health, "committed", always(True))
    monkeypatch.setattr(machine, "available_memory", always(2**34))
    monkeypatch.setattr(shutil, "disk_usage", always(_Disk(free=2**35)))
    return project


def findings(run: Run) -> tuple[int, dict[str, dict[str, str]]]:
    ended = run("doctor", "--json")
    records = [json.loads(line) for line in ended.out.splitlines()]
    return ended.code, {record["subject"]: record for record in records}


def test_where_all_is_well_nothing_is_to_be_mended(run: Run, healthy: Path) -> None:
    code, found = findings(run)
    assert code == 0
    unwell = {subject for subject, finding in found.items() if finding["level"] != "ok"}
    assert unwell <= {"arithmetic"}  # not every processor computes in bfloat16


def test_every_warning_has_a_remedy(run: Run, project: Path) -> None:
    _, found = findings(run)
    for finding in found.values():
        assert bool(finding["remedy"]) == (finding["level"] != "ok"), finding


def test_a_folder_that_is_no_project_is_broken(run: Run, project: Path) -> None:
    code, found = findings(run)
    assert code == 1
    assert found["dvc"]["level"] == "fail"
    assert found["model llm"]["remedy"] == "run `dvc repro fetch`."


def test_settings_at_fault_are_told_with_all_faults(run: Run, healthy: Path) -> None:
    (healthy / "params.yaml").write_text("train: {tau: -1}\n", encoding="utf-8")
    code, found = findings(run)
    assert code == 1
    assert "train.tau" in found["params"]["found"]


def test_a_model_other_than_the_named_one_is_noticed(run: Run, healthy: Path) -> None:
    (healthy / "models/base/source.json").write_text('{"reference": "random:1"}', encoding="utf-8")
    code, found = findings(run)
    assert code == 0
    assert found["model base"]["found"].startswith("random:1, but params.yaml names ")


def test_stages_that_dvc_would_run_are_named(
    run: Run, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_changed_stages", always(["curate", "train"]))
    _, found = findings(run)
    assert found["dvc"]["found"] == "2 stages to run: curate, train"


def test_a_slow_dvc_is_not_waited_for(
    run: Run, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(folder: Path) -> list[str]:
        raise subprocess.TimeoutExpired("dvc", 60)

    monkeypatch.setattr(health, "_changed_stages", slow)
    _, found = findings(run)
    assert found["dvc"]["level"] == "warn"


def test_a_full_disk_and_a_missing_package_are_broken(
    run: Run, healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", always(_Disk(free=2**20)))
    monkeypatch.setattr(health, "_requirements", always(["no-such-package>=1", "rich>=999"]))
    code, found = findings(run)
    assert code == 1
    assert found["disk"]["level"] == "fail"
    assert "no-such-package is missing" in found["packages"]["found"]
    assert ">=999" in found["packages"]["found"]


def test_the_page_fits_80_columns(run: Run, healthy: Path) -> None:
    lines = run("doctor").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any(line.startswith("ok    disk") for line in lines)


def test_what_a_model_was_held_against_is_shown(run: Run, healthy: Path) -> None:
    folder = healthy / "models/llm"
    source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    pins = {"sha256": "0123456789abcdef" * 4, "identity": source["reference"] + "#89abcdef01234567"}
    (folder / "source.json").write_text(json.dumps(source | pins), encoding="utf-8")
    _, found = findings(run)
    shown = found["model llm"]["found"]
    assert shown.startswith(source["reference"])
    assert shown.endswith("; sha256 0123456789abcdef... checked; files 89abcdef01234567")
