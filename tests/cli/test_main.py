"""The command line as a whole: help, errors, exit codes, signals."""

import errno
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import stages.params_file
from cli.__main__ import PANELS, app
from stages.errors import QualityError
from tests.cli.running import ROOT, Run

HEAVY = "torch polars transformers sentence_transformers pandas great_expectations pydantic dvc"
COMMANDS = [command.__name__.replace("_", "-") for panel in PANELS.values() for command in panel]


def test_importing_the_command_line_imports_nothing_heavy() -> None:
    code = f"import sys, cli.__main__; print([m for m in {HEAVY.split()} if m in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [*COMMANDS, "params show", "params explain", "params switch"])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    shown = CliRunner().invoke(app, [*command.split(), "--help"])
    assert shown.exit_code == 0
    assert "Examples" in shown.output
    assert f"multicsr {command}" in shown.output


def test_the_overview_names_every_command_in_its_panel() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    places = [shown.index(f"│ {command} ") for command in COMMANDS]
    assert places == sorted(places)
    assert all(f"─ {panel} ─" in shown for panel in PANELS)


def test_no_command_at_all_shows_the_overview(run: Run) -> None:
    ended = run()
    assert ended.code == 0
    assert "Begin with" in ended.out


def test_version_is_one_line(run: Run) -> None:
    ended = run("--version")
    assert ended.code == 0
    assert ended.out.startswith("multicsr ")
    assert ended.out.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["curat"], "No such command 'curat'. Did you mean 'curate'?"),
        (["curate", "--scord", "x"], "--scored"),
        (["encode"], "Missing argument 'FILE'."),
        (["search", "x", "--corpus", "y", "--top", "0"], "greater than or equal to 1"),
        (["inspect", "--sort", "colour"], "colour"),
    ],
)
def test_a_wrong_call_is_one_clear_line_and_code_2(
    run: Run, arguments: list[str], cause: str
) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert cause in ended.err.splitlines()[0]
    assert "remedy: `multicsr" in ended.err


def test_a_missing_params_file_is_named(run: Run, project: Path) -> None:
    ended = run("curate", "--params", "nowhere.yaml")
    assert ended.code == 2
    assert ended.err.startswith("error: nowhere.yaml cannot be read")
    assert "Traceback" not in ended.err


def test_all_faults_of_the_settings_are_told_at_once(run: Run, project: Path) -> None:
    text = (project / "params.yaml").read_text(encoding="utf-8")
    text = re.sub("tau: .*", "tau: -1", text.replace("  gamma:", "  gama:"))
    (project / "params.yaml").write_text(text, encoding="utf-8")
    ended = run("params", "show")
    assert ended.code == 2
    assert "curate.gama: no such setting, did you mean gamma?" in ended.err
    assert "train.tau = -1" in ended.err
    assert "Traceback" not in ended.err


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def load_params(path: Path) -> None:
        raise error

    monkeypatch.setattr(stages.params_file, "load_params", load_params)


def test_data_that_fails_a_check_ends_with_code_1(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(QualityError("3 rows are empty.", remedy="look at them."), monkeypatch)
    ended = run("params", "show")
    assert ended.code == 1
    assert ended.err == "error: 3 rows are empty.\n  remedy: look at them.\n"


def test_an_unexpected_fault_keeps_its_traceback_and_asks_for_a_report(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(ZeroDivisionError("oh"), monkeypatch)
    ended = run("params", "show")
    assert ended.code == 70
    assert "Traceback" in ended.err
    assert "ZeroDivisionError: oh" in ended.err
    assert "please report it" in ended.err


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (RuntimeError("write failed: No space left on device (os error 28)"), "the disk is full"),
        (OSError(errno.EIO, "Input/output error"), "the disk does not take"),
        (RuntimeError("[enforce] . PytorchStreamWriter failed writing file"), "the disk does not"),
        (MemoryError(), "the memory is full"),
    ],
)
def test_a_machine_at_its_limit_is_no_fault_of_the_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    fail_with(error, monkeypatch)
    ended = run("params", "show")
    assert ended.code == 2
    assert ended.err.startswith(f"error: {words}")
    assert "Traceback" not in ended.err


def test_ctrl_c_says_what_is_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(KeyboardInterrupt(), monkeypatch)
    ended = run("params", "show")
    assert ended.code == 130
    assert ended.err.startswith("stopped: whole files, finished shards and checkpoints are kept")
    assert "go on with: python -m cli params show" in ended.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_running_command_can_be_stopped_cleanly(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    fifo = tmp_path / "params.yaml"
    os.mkfifo(fifo)
    # A shell that starts the tests in the background has SIGINT ignored; a terminal has not.
    driver = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from cli.__main__ import main; sys.exit(main(['params', 'show', '--params', sys.argv[1]]))"
    )
    with (
        subprocess.Popen(
            [sys.executable, "-c", driver, str(fifo)], cwd=ROOT, stderr=subprocess.PIPE, text=True
        ) as command,
        fifo.open("w"),
    ):  # the file opens once the command has come so far as to read it
        command.send_signal(number)
        _, said = command.communicate(timeout=30)
    assert command.returncode == code
    assert said.startswith("stopped: ")
    assert "Traceback" not in said


def test_a_reader_that_goes_away_is_no_error(project: Path) -> None:
    command = f"{sys.executable} -m cli params show | true; echo ${{PIPESTATUS[0]}}"
    answer = subprocess.run(
        ["bash", "-c", command],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() in {"0", "141"}
    assert answer.stderr == ""


def test_quiet_and_verbose_decide_how_much_is_said(run: Run, triplets: Path) -> None:
    assert run("--quiet", "inspect").err == ""
    assert run("inspect").err.startswith("5 shown")
    assert "cli.inspect_command 5 shown" in run("--verbose", "inspect").err
