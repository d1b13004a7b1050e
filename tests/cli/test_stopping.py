"""How signals end a command: in time, whatever it is doing, and with words that help."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from cli.launching import command_to_go_on
from stages.progress import kept_when_stopped
from tests.cli.running import ROOT, seconds_to_stop

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
DRIVER = """
import os, signal, sys, time, types
# A shell that starts the tests in the background has SIGINT ignored; a terminal has not.
signal.signal(signal.SIGINT, signal.default_int_handler)
from cli.__main__ import main

def busy(path):
    {body}

import stages
sys.modules["stages.params_file"] = stages.params_file = types.SimpleNamespace(
    load_params=busy, read_yaml=None
)
sys.exit(main(["params", "show", "--params", "my params.yaml"]))
"""
READY = "os.write(1, b'ready')"


@contextmanager
def running(*body: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a command that does ``body`` instead of its work, and give it once it has begun."""
    code = DRIVER.format(body="\n    ".join(body))
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as command:
        assert command.stdout is not None
        assert command.stdout.read(5) == b"ready"
        time.sleep(0.05)  # so that it is in the midst of what comes then
        try:
            yield command
        finally:
            command.kill()


def end(command: "subprocess.Popen[bytes]") -> tuple[int, str, float]:
    """Return exit code, what was said and the seconds until then."""
    start = time.monotonic()
    _, said = command.communicate(timeout=30)
    return command.returncode, said.decode(), time.monotonic() - start


@pytest.mark.parametrize("number", CODES)
def test_what_is_kept_and_the_command_that_goes_on_are_said(number: signal.Signals) -> None:
    with running(READY, "time.sleep(60)") as command:
        command.send_signal(number)
        code, said, seconds = end(command)
    assert code == CODES[number]
    assert said == (
        "stopped: whole files, finished shards and checkpoints are kept.\n"
        "  go on with: python -m cli params show --params 'my params.yaml'\n"
    )
    assert seconds < seconds_to_stop()


@pytest.mark.slow
@pytest.mark.parametrize("wait", ["open(fifo, 'rb').read()", "fcntl.flock(other, fcntl.LOCK_EX)"])
def test_a_library_that_lets_the_system_go_on_waiting_does_not_hide_ctrl_c(
    tmp_path: Path, wait: str
) -> None:
    """Importing polars sets SA_RESTART for SIGINT."""
    os.mkfifo(tmp_path / "fifo")
    body = (
        "import fcntl, polars",
        f"fifo = {str(tmp_path / 'fifo')!r}",
        "held, other = open('pyproject.toml'), open('pyproject.toml')",
        "fcntl.flock(held, fcntl.LOCK_EX)",
        READY,
        wait,
    )
    with running(*body) as command:
        command.send_signal(signal.SIGINT)
        code, said, seconds = end(command)
    assert code == 130
    assert said.startswith("stopped: ")
    assert seconds < seconds_to_stop() / 2


STUCK = {
    "deaf": ("while True:", "    try: time.sleep(60)", "    except BaseException: pass"),
    "in one long step": ("import hashlib", "hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)"),
    "tidying up": ("try: time.sleep(60)", "finally: time.sleep(60)"),
}


@pytest.mark.slow
@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("body", STUCK.values(), ids=STUCK)
def test_what_does_not_end_in_time_is_ended(body: Sequence[str], number: signal.Signals) -> None:
    with running(READY, *body) as command:
        command.send_signal(number)
        code, said, seconds = end(command)
    assert code == CODES[number]
    assert said.startswith("stopped: whole files, finished shards")
    assert "go on with: python -m cli params show" in said
    assert "Traceback" not in said
    assert seconds < seconds_to_stop()


@pytest.mark.slow
@pytest.mark.parametrize("body", STUCK.values(), ids=STUCK)
def test_a_second_ctrl_c_ends_it_at_once(body: Sequence[str]) -> None:
    with running(READY, *body) as command:
        command.send_signal(signal.SIGINT)
        time.sleep(0.5)
        command.send_signal(signal.SIGINT)
        code, said, seconds = end(command)
    assert code == 130
    assert said.count("stopped: ") == 1
    assert seconds < seconds_to_stop() / 4


@pytest.mark.slow
def test_what_was_started_does_not_outlive_it() -> None:
    child = "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True)"
    with running(child, READY, *STUCK["deaf"]) as command:
        (sleeping,) = psutil.Process(command.pid).children()
        for _ in range(2):
            command.send_signal(signal.SIGINT)
            time.sleep(0.5)
        assert end(command)[0] == 130
        psutil.wait_procs([sleeping], timeout=5)
    assert not sleeping.is_running() or sleeping.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_one_ctrl_c_passed_on_twice_is_one() -> None:
    with running(
        READY, "try: time.sleep(60)", "finally: print('tidy', file=sys.stderr)"
    ) as command:
        command.send_signal(signal.SIGTERM)
        command.send_signal(signal.SIGTERM)
        code, said, _ = end(command)
    assert code == 143
    assert "tidy" in said


@pytest.mark.slow
def test_where_ctrl_c_is_ignored_it_stays_ignored() -> None:
    quiet = ("signal.signal(signal.SIGINT, signal.SIG_IGN)", READY, "time.sleep(1)", "sys.exit(3)")
    with running(*quiet) as command:
        command.send_signal(signal.SIGINT)
        assert end(command)[0] == 3


@pytest.mark.slow
def test_a_stage_whose_dvc_is_gone_stops(tmp_path: Path) -> None:
    """DVC does not pass on SIGTERM; its place is taken by a program of that name."""
    stage = DRIVER.format(body=f"{READY}; time.sleep(60)").replace("'", '"')
    (tmp_path / "dvc").write_text(
        f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', '''{stage}'''])"
    )
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "dvc"), "repro", "train"],
        cwd=ROOT,
        env={**os.environ, "DVC_STAGE": "train"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as dvc:
        assert dvc.stdout is not None
        assert dvc.stdout.read(5) == b"ready"
        time.sleep(0.5)
        (child,) = psutil.Process(dvc.pid).children()
        dvc.terminate()
        assert psutil.wait_procs([child], timeout=seconds_to_stop())[0] == [child]
        assert dvc.stderr is not None
        said = dvc.stderr.read().decode()
    assert said.startswith("stopped: ")


def test_the_command_of_dvc_is_the_one_to_go_on_with(tmp_path: Path) -> None:
    (tmp_path / "dvc").write_text(
        "import subprocess, sys\n"
        "code = 'from cli.launching import command_to_go_on as go; print(go([]))'\n"
        "subprocess.run([sys.executable, '-c', code])"
    )
    shown = subprocess.run(
        [sys.executable, str(tmp_path / "dvc"), "exp", "run", "-S", "a=[1, 2]"],
        cwd=ROOT,
        env={**os.environ, "DVC_STAGE": "train"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout == "dvc exp run -S 'a=[1, 2]'\n"


def test_a_person_goes_on_with_what_was_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/home/me/.venv/bin/multicsr", "encode", "my file.txt"])
    assert command_to_go_on(sys.argv[1:]) == "multicsr encode 'my file.txt'"


def test_work_that_is_kept_is_told_by_the_exception() -> None:
    with pytest.raises(KeyboardInterrupt) as stop, kept_when_stopped(lambda: "3 of 9 shards"):
        raise KeyboardInterrupt
    assert stop.value.__notes__ == ["3 of 9 shards"]
