"""`multicsr report`: where the page goes, opening it, and a comparison that cannot be made."""

import webbrowser
from pathlib import Path

import pytest

from tests.cli.running import Run
from tests.reporting.finished_run import write_finished_run


@pytest.fixture(name="finished")
def a_finished_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_finished_run(project)
    monkeypatch.setattr("stages.reporting.figures.render", lambda *_, **__: "<svg></svg>")
    return project


@pytest.mark.slow
def test_the_page_is_opened_when_asked_for(
    finished: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", note)
    assert run("report").code == 0
    assert opened == []
    assert run("report", "--open").code == 0
    assert opened == [(finished / "reports/report.html").resolve().as_uri()]


@pytest.mark.slow
def test_without_a_browser_the_place_of_the_page_is_said(
    finished: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    ended = run("report", "--open")
    assert ended.code == 0
    said = ended.err.replace("\n", "")
    assert "no browser could be opened" in said
    assert "report.html" in said


def test_a_comparison_that_cannot_be_made_leaves_no_page(finished: Path, run: Run) -> None:
    ended = run("report", "--against", "")
    assert ended.code == 2
    assert "needs the name of a revision" in ended.err
    assert not (finished / "reports/comparison.html").exists()
