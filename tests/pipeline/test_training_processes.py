"""Training in processes of its own: two that share every batch, and one that is killed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from ruamel.yaml import YAML
from safetensors.torch import load_file
from torch import Tensor

from stages.params import TrainParams
from tests.pipeline.imports import ROOT
from tests.stages.training_project import PARAMS, Project, make_project

pytestmark = pytest.mark.pipeline

STEPS = 20
WHOLE_STEPS = PARAMS.model_copy(
    # 24 triplets make batches of 7, 7, 7 and 3: shares of unlike size; five epochs.
    update={"batch_triplets": 7, "epochs": 5, "eval_steps": STEPS, "learning_rate": 5e-5}
)


def write_params(project: Project, params: TrainParams) -> None:
    yaml = YAML()
    values = yaml.load((ROOT / "profiles/smoke.yaml").read_text(encoding="utf-8"))
    values["train"] = params.model_dump()
    with (project.root / "params.yaml").open("w", encoding="utf-8") as stream:
        yaml.dump(values, stream)


def without_dropout(project: Project) -> None:
    config = project.root / "models/base/config.json"
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    config.write_text(json.dumps({**json.loads(config.read_text()), **none}))


def start(project: Project, *launcher: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "cli", "train", "--timing", "timing.json"],
        cwd=project.root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def weights(project: Project) -> dict[str, Tensor]:
    return load_file(project.root / "models/encoder/model.safetensors")


def guide_vectors(project: Project) -> NDArray[np.float16]:
    (path,) = (project.root / ".work/guide").glob("*/shard-*.npy")
    vectors: NDArray[np.float16] = np.load(path)
    return vectors


def losses(project: Project) -> list[float]:
    lines = (project.root / "reports/training/steps.tsv").read_text().splitlines()
    return [float(line.split("\t")[2]) for line in lines[1:]]


@pytest.mark.parametrize("mini_batch", [None, 2])
def test_two_processes_train_as_one_with_the_same_global_batch(
    tmp_path: Path, mini_batch: int | None
) -> None:
    params = WHOLE_STEPS.model_copy(update={"mini_batch_triplets": mini_batch})
    one, two = make_project(tmp_path / "one"), make_project(tmp_path / "two")
    without_dropout(one)
    without_dropout(two)
    one.train(**params.model_dump())
    write_params(two, params)
    both = start(two, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    _, said = both.communicate(timeout=300)
    assert both.returncode == 0, said
    assert said.count(f"train: 24 triplets, {STEPS} steps") == 1
    np.testing.assert_allclose(guide_vectors(two), guide_vectors(one), atol=1e-3)
    assert two.summary()["masked_pairs"] == one.summary()["masked_pairs"] > 0
    assert losses(two) == pytest.approx(losses(one), abs=1.1e-6)  # six places written
    alone = weights(one)
    for name, together in weights(two).items():
        # A key's bias moves all scores of a query alike, so softmax forgets it: its gradient is
        # rounding, which AdamW brings to full length.
        if not name.endswith("key.bias"):
            torch.testing.assert_close(together, alone[name], atol=1e-5, rtol=0, msg=name)
    assert json.loads((two.root / "timing.json").read_text())["stage"] == "train"


@pytest.mark.parametrize("mini_batch", [None, 3])
def test_a_run_killed_in_mid_epoch_ends_with_the_same_bits(
    tmp_path: Path, mini_batch: int | None
) -> None:
    params = PARAMS.model_copy(update={"epochs": 20, "mini_batch_triplets": mini_batch})
    killed, whole = make_project(tmp_path / "killed"), make_project(tmp_path / "whole")
    write_params(killed, params)
    process = start(killed)
    deadline = time.monotonic() + 240
    while not list((killed.root / ".work/train").glob("*/checkpoint-4/files.sha256")):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (killed.root / "models/encoder").exists()
    killed.train(**params.model_dump())
    whole.train(**params.model_dump())
    assert killed.saved() == whole.saved()
    assert losses(killed) == losses(whole)
