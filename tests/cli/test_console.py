"""What is said while a stage runs."""

import logging

import pytest

from cli.console import configure, progress
from cli.pace import Pace
from tests.cli.running import Run


def test_where_nobody_watches_a_line_every_ten_seconds_is_enough(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    with progress("train", total=40, unit="steps") as advance:
        monkeypatch.setattr(Pace, "seconds", property(lambda pace: 4.0 * pace.done))
        for _ in range(10):
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" steps")[0] for line in lines] == [
        "train: 3/40",
        "train: 6/40",
        "train: 9/40",
    ]


def test_quiet_shows_no_progress(
    run: Run, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(quiet=True)
    monkeypatch.setattr(Pace, "seconds", 1e6)
    with progress("train", total=2, unit="steps") as advance:
        advance(1)
    assert capsys.readouterr().err == ""


def test_warnings_are_marked_and_text_is_taken_as_it_is(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    configure()
    logging.getLogger("stages.x").warning("[bold]%s[/bold] is damaged", "shard")
    loud = logging.getLogger("some.library")
    loud.setLevel(logging.DEBUG)
    loud.info("chatter")
    assert capsys.readouterr().err == "warning: [bold]shard[/bold] is damaged\n"


def test_what_is_said_steers_no_terminal(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("stages.x").warning("%s is odd\n  said twice", "a\x1b]0;owned\x07\x9b31mb")
    told = "a\ufffd]0;owned\ufffd\ufffd31mb"
    assert capsys.readouterr().err == f"warning: {told} is odd\n  said twice\n"
    code, _, err = run("encode", "no\x1b[2Jfile.txt", "--out", "x.npy")
    assert code == 2
    assert "\x1b" not in err
    assert "no\ufffd[2Jfile.txt" in err
