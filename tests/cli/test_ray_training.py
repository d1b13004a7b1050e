"""Who starts the processes that train is an option or a variable, and no setting."""

import sys
from pathlib import Path

import pytest

from stages.params import settings
from tests.cli.running import ROOT, Run


@pytest.mark.parametrize("how", ["option", "variable"])
def test_without_ray_a_person_is_told_what_to_install(
    run: Run, project: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    if how == "variable":
        monkeypatch.setenv("MULTICSR_LAUNCHER", "ray")
    ended = run("train", *(["--launcher", "ray"] if how == "option" else []))
    assert ended.code == 2
    assert "pip install 'multicsr[ray]'" in ended.err
    assert "Traceback" not in ended.err


def test_dvc_runs_nothing_again_because_of_the_launcher() -> None:
    pipeline = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    assert "launcher" not in pipeline
    assert not [key for key, _ in settings() if "launcher" in key]
