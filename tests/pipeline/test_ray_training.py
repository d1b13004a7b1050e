"""Training under Ray Train: the same encoder, and the same checkpoints, as under torchrun."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch

from stages.params import TrainParams
from tests.pipeline.test_training_processes import (
    STEPS,
    WHOLE_STEPS,
    losses,
    start,
    weights,
    without_dropout,
    write_params,
)
from tests.stages.training_project import PARAMS, Project, make_project

pytestmark = pytest.mark.cluster

RAY = ("--launcher", "ray", "--workers", "2")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
LONG = WHOLE_STEPS.model_copy(update={"epochs": 30, "eval_steps": 4})
LIMIT = 300


def start_ray(project: Project, *options: str) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-m", "cli", "train", "--timing", "timing.json", *RAY, *options],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def make(folder: Path, params: TrainParams) -> Project:
    project = make_project(folder)
    without_dropout(project)
    write_params(project, params)
    return project


def assert_same_weights(one: Project, other: Project) -> None:
    wanted = weights(one)
    for name, found in weights(other).items():
        if not name.endswith("key.bias"):  # its gradient is rounding, see test_training_processes
            torch.testing.assert_close(found, wanted[name], atol=1e-5, rtol=0, msg=name)


def steps_kept(project: Project) -> int:
    states = (project.root / ".work/train").glob("*/checkpoint-*/trainer_state.json")
    return max((int(state.parent.name.split("-")[1]) for state in states), default=0)


def kill_at(process: "subprocess.Popen[str]", reached: Callable[[], bool]) -> None:
    """Kill a launcher and all that it has started, as a machine that goes away would."""
    deadline = time.monotonic() + LIMIT
    while not reached():
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for member in family:
        if member.is_running():
            member.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=30)
    process.communicate()


def test_two_workers_of_ray_train_as_two_processes_of_torchrun_and_as_one(tmp_path: Path) -> None:
    one, launched, clustered = (
        make(tmp_path / name, WHOLE_STEPS) for name in ("one", "launched", "clustered")
    )
    one.train(**WHOLE_STEPS.model_dump())
    for process in (start(launched, *TORCHRUN), start_ray(clustered)):
        _, said = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        assert said.count(f"train: 24 triplets, {STEPS} steps") == 1
    assert losses(clustered) == pytest.approx(losses(one), abs=1.1e-6)
    assert_same_weights(one, clustered)
    assert_same_weights(launched, clustered)
    assert clustered.summary()["masked_pairs"] == one.summary()["masked_pairs"] > 0
    assert json.loads((clustered.root / "timing.json").read_text())["stage"] == "train"
    assert not list((clustered.root / ".work/train").glob(".ray-*"))


def test_what_one_launcher_began_the_others_bring_to_its_end(tmp_path: Path) -> None:
    whole, moved = make(tmp_path / "whole", LONG), make(tmp_path / "moved", LONG)
    whole.train(**LONG.model_dump())
    kill_at(start(moved, *TORCHRUN), lambda: steps_kept(moved) >= 8)
    first = steps_kept(moved)
    kill_at(start_ray(moved), lambda: steps_kept(moved) >= first + 8)
    assert first + 8 <= steps_kept(moved) < len(losses(whole))
    moved.train(**LONG.model_dump())
    assert losses(moved) == pytest.approx(losses(whole), abs=2e-5)
    assert_same_weights(whole, moved)


def test_a_lost_worker_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    whole, robbed = make(tmp_path / "whole", LONG), make(tmp_path / "robbed", LONG)
    whole.train(**LONG.model_dump())
    process = start_ray(robbed)
    deadline = time.monotonic() + LIMIT
    while steps_kept(robbed) < 8:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if "RayTrainWorker" in " ".join(child.cmdline())
    ]
    workers[-1].send_signal(signal.SIGKILL)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, said
    assert "a worker was lost; going on with new ones" in said
    assert losses(robbed) == pytest.approx(losses(whole), abs=2e-5)
    assert_same_weights(whole, robbed)


def test_what_a_worker_cannot_do_is_told_in_one_line(tmp_path: Path) -> None:
    project = make(tmp_path, PARAMS.model_copy(update={"batch_triplets": 500}))
    process = start_ray(project)
    _, said = process.communicate(timeout=LIMIT)
    assert process.returncode == 2, said
    last = said[said.rindex("error: ") :]
    assert "fewer than one batch of 500" in last
    assert "Traceback" not in last
