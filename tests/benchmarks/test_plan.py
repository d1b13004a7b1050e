"""How far `multicsr plan` is from what the stages then take, with the real models."""

import json
import os
import shutil
from pathlib import Path
from statistics import median

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from cli import calibrating, planning
from cli.calibrating import Trial
from cli.planning import Request, calibrate_for
from stages.planning import calibration, sampling
from stages.planning.estimating import Scenario, make_plan
from stages.planning.texts import corpus_of
from tests.benchmarks.conftest import ROUNDS, Figure

pytestmark = pytest.mark.benchmarks

ROOT = Path(__file__).parents[2]
PREMISES, TRIPLETS = (int(n) for n in os.environ.get("PLAN_SIZES", "192,640").split(","))
"""What is predicted and then run: for generate and score, and for train."""
CHANGES = [text for text in os.environ.get("PLAN_CHANGES", "").split() if text]
"""Settings other than the starter's, to try the benchmark in less time."""


def test_what_was_planned_and_what_it_took(
    benchmark: BenchmarkFixture,
    figure: Figure,
    real_models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calibrate on the starter's sentences, predict a greater run of other ones, and run it."""
    request = at_hand(tmp_path, real_models, monkeypatch)
    rounds: dict[str, list[tuple[float, float]]] = {}

    def once() -> None:
        calibrate_for(request, tell=lambda _: None)
        project = planning._project(request)
        sentences = planning._sentences(request, project)[-PREMISES:]
        planned = predicted(request, sentences)
        for stage, seconds in taken(request, sentences, tmp_path / "scratch").items():
            rounds.setdefault(stage, []).append((planned[stage], seconds))

    benchmark.pedantic(once, rounds=ROUNDS)  # type: ignore[no-untyped-call]
    errors = {
        stage: median(abs(planned / seconds - 1) for planned, seconds in each)
        for stage, each in rounds.items()
    }
    for stage, error in errors.items():
        told = ", ".join(f"{planned:.1f} and {seconds:.1f}" for planned, seconds in rounds[stage])
        against = f"seconds planned and taken in each round: {told}"
        figure(f"plan.prediction_error.{stage}", error, unit="1", against=against, rounds=ROUNDS)
    worst = max(errors, key=lambda stage: errors[stage])
    against = f"the worst of the three stages, {worst}; {PREMISES} premises, {TRIPLETS} triplets"
    figure("plan.prediction_error", errors[worst], unit="1", against=against, rounds=ROUNDS)


def at_hand(folder: Path, models: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Request:
    """Make a project of the starter's settings, data and models; go there."""
    (folder / "models").mkdir()
    for name, source in models.items():
        (folder / "models" / name).symlink_to(source)
    shutil.copytree(ROOT / "data/starter", folder / "data/starter")
    shutil.copy(ROOT / "profiles/starter.yaml", folder / "params.yaml")
    monkeypatch.chdir(folder)
    return Request(
        params=Path("params.yaml"),
        changed=CHANGES,
        work=folder / ".work",
        corpus=None,
        column=None,
        premises=(),
        characters=None,
        models=dict.fromkeys(("llm", "base", "guide")),
        machine="here",
        devices=[1],
        price=None,
        kept=0.5,
    )


def predicted(request: Request, sentences: list[str]) -> dict[str, float]:
    """Return what the calibration says of these sentences; of train, of TRIPLETS of them."""
    project = planning._project(request)
    made = calibration.kept(request.work, planning._machine(), project.identities)
    assert made is not None
    corpus = corpus_of(sentences)
    speed = made.speed(project.timed, corpus)
    texts = calibrating.lengths(project.settings, corpus.characters, made.ratios)
    pairs = calibrating.dev_pairs(project.settings)

    def seconds(premises: int) -> dict[str, float]:
        scenario = Scenario(premises, kept=1.0, dev_pairs=pairs)
        plan = make_plan(project.settings, project.shapes, texts, speed, scenario)
        return {stage.name: stage.seconds.expected for stage in plan.stages}

    asked, learned = seconds(len(sentences)), seconds(TRIPLETS)
    return {
        "generate": asked["generate"],
        "score": asked["score"],
        "train": learned["guide"] + learned["train"],
    }


def taken(request: Request, sentences: list[str], folder: Path) -> dict[str, float]:
    """Run the three stages as a person would and return their seconds, from their timing files."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    project = planning._project(request)
    trial = Trial(
        settings=project.settings,
        folders={name: path.absolute() for name, path in planning.FOLDERS.items()},
        tokenizers={},
        models=project.shapes,
        sentences=sentences,
    )
    runs = calibrating._Runs(trial, folder, lambda _: None)
    runs._prepare()
    written, curated = folder / "triplets.parquet", folder / "train.parquet"
    seconds = {"generate": runs._timed("generate", written)["seconds"]}
    seconds["score"] = runs._timed("score", written)["seconds"]
    sampling.write_curated(written, curated, rows=TRIPLETS)
    seconds["train"] = runs._timed("train", curated)["seconds"]
    summary = json.loads((folder / "training/summary.json").read_text(encoding="utf-8"))
    assert summary["triplets"] == TRIPLETS
    return seconds
