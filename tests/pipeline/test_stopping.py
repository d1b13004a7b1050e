"""`dvc repro` stopped by Ctrl-C or SIGTERM: the stage ends in time, and the next one goes on."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.cli.running import seconds_to_stop
from tests.pipeline.test_dvc_repro import run, smoke_project

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, dvc_cache: Path) -> Path:
    """A project with all that training reads."""
    folder = tmp_path_factory.mktemp("clone")
    smoke_project(folder, cache=dvc_cache)
    run(folder, "dvc", "repro", "validate")
    return folder


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_stage_ends_in_time_and_the_same_command_goes_on(
    clone: Path, number: signal.Signals
) -> None:
    train_long(clone, epochs=20 + number)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=clone,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509  no threads are at work here
    ) as dvc:
        checkpoints = clone / ".work/train"
        deadline = time.monotonic() + 120
        while not list(checkpoints.glob("*/checkpoint-*/files.sha256")):
            assert dvc.poll() is None, dvc.stdout and dvc.stdout.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        stage = psutil.Process(dvc.pid).children(recursive=True)
        assert stage
        start = time.monotonic()
        if number == signal.SIGINT:
            os.killpg(dvc.pid, number)  # as a terminal does
        else:
            dvc.terminate()
        _, alive = psutil.wait_procs(stage, timeout=30)
        seconds = time.monotonic() - start
        assert not alive
        assert seconds < seconds_to_stop()
        said, _ = dvc.communicate(timeout=60)
    assert dvc.returncode != 0
    assert "stopped: whole files, finished shards and checkpoints are kept" in said
    assert "kept: train: " in said
    if number == signal.SIGINT:
        assert "go on with: dvc repro train" in said
    assert not (clone / "models/encoder").exists()
    assert "going on from checkpoint-" in run_all(clone)


def heed_interrupts() -> None:
    """Undo what a shell does to jobs that it starts in the background."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def train_long(clone: Path, *, epochs: int) -> None:
    """Let training take long enough to be stopped, and differ from any in DVC's run cache."""
    params = clone / "params.yaml"
    text = re.sub("  epochs: .*", f"  epochs: {epochs}", params.read_text(encoding="utf-8"))
    params.write_text(text, encoding="utf-8")
    shutil.rmtree(clone / "models/encoder", ignore_errors=True)
    shutil.rmtree(clone / ".work/train", ignore_errors=True)


def run_all(clone: Path) -> str:
    """Run training to its end and return all that was said."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["dvc", "repro", "train"],
        cwd=clone,
        env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr
