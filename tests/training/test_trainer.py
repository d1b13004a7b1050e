"""The loop: it learns, keeps the best, can be stopped at any step and says when it breaks down."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from sentence_transformers import SentenceTransformer

from stages.encoders.embedding import load_encoder
from stages.errors import PipelineError
from stages.progress import Progress, silent
from stages.training.dev import DevEvaluator
from stages.training.guide import GuideVectors
from stages.training.loss import MaskedLoss
from stages.training.recipe import Recipe
from stages.training.records import TrainingRecord
from stages.training.trainer import fit

STEPS = 10  # two epochs of 40 triplets in batches of 8


class StoppedError(Exception):
    """Stands for the plug being pulled."""


class Run:
    """One training run from the same start, in its own folder."""

    def __init__(
        self, tiny: Path, guide: GuideVectors, data: tuple[pl.DataFrame, pl.DataFrame]
    ) -> None:
        self.tiny, self.guide = tiny, guide
        self.triplets, self.pairs = data

    def __call__(
        self, recipe: Recipe, folder: Path, progress: Progress = silent
    ) -> tuple[TrainingRecord, SentenceTransformer]:
        encoder = load_encoder(self.tiny)
        guide = self.guide if recipe.objective == "masked" else None
        loss = MaskedLoss(encoder, guide=guide, sigma=recipe.sigma, tau=recipe.tau)
        dev = DevEvaluator(self.pairs, name="dev", batch_sentences=32)
        record = fit(loss, self.triplets, dev=dev, recipe=recipe, folder=folder, progress=progress)
        return record, encoder


@pytest.fixture(scope="module")
def run(tiny: Path, guide: GuideVectors, triplets: pl.DataFrame, pairs: pl.DataFrame) -> Run:
    return Run(tiny, guide, (triplets, pairs))


@pytest.fixture(scope="module")
def whole(
    run: Run, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TrainingRecord, SentenceTransformer, Path]:
    """Return what an unbroken run ends with, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    return *run(recipe, folder), folder


def stopping_after(steps: int) -> Progress:
    @contextmanager
    def progress(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if done > steps:
                raise StoppedError

        yield advance

    return progress


def same_weights(one: SentenceTransformer, other: SentenceTransformer) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_it_learns_and_tells_every_step(run: Run, recipe: Recipe, tmp_path: Path) -> None:
    record, encoder = run(replace(recipe, epochs=8), tmp_path)
    losses = record.steps["loss"]
    assert record.steps["step"].to_list() == list(range(1, 41))
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])
    assert record.steps["masked_ratio"].is_between(0.01, 0.99).all()
    assert record.steps["learning_rate"].max() == pytest.approx(recipe.learning_rate)
    assert record.best_dev > record.base_dev
    assert encoder.max_seq_length == 128


@pytest.mark.slow
def test_the_kept_weights_are_those_of_the_best_look(
    whole: tuple[TrainingRecord, SentenceTransformer, Path], pairs: pl.DataFrame
) -> None:
    record, encoder, _ = whole
    assert record.dev["step"].to_list() == [0, 3, 6, 9, 10]
    later = record.dev.filter(pl.col("step") > 0)
    assert record.best_dev == later["spearman"].max()
    again = DevEvaluator(pairs, name="dev", batch_sentences=32)(encoder)
    assert again["spearman"] == pytest.approx(record.best_dev, abs=1e-6)


@pytest.mark.slow
def test_looking_at_the_dev_set_does_not_change_what_is_learned(
    run: Run,
    recipe: Recipe,
    whole: tuple[TrainingRecord, SentenceTransformer, Path],
    tmp_path: Path,
) -> None:
    record, _ = run(replace(recipe, eval_steps=STEPS), tmp_path)
    assert record.dev["step"].to_list() == [0, STEPS]
    assert record.steps["loss"].to_list() == whole[0].steps["loss"].to_list()
    assert record.dev.row(-1) == whole[0].dev.row(-1)


def test_nothing_is_written_but_checkpoints(
    whole: tuple[TrainingRecord, SentenceTransformer, Path],
) -> None:
    folder = whole[2]
    assert {path.name.split("-")[0] for path in folder.iterdir()} <= {"checkpoint", "eval"}
    assert len(list(folder.glob("checkpoint-*"))) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("stopped_after", [1, 4, 8])
def test_a_stopped_run_ends_with_the_weights_of_an_unbroken_one(
    run: Run,
    recipe: Recipe,
    tmp_path: Path,
    whole: tuple[TrainingRecord, SentenceTransformer, Path],
    stopped_after: int,
) -> None:
    counts: list[int] = []

    @contextmanager
    def progress(description: str, *, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        assert (total, unit) == (STEPS, "steps")
        yield counts.append

    with pytest.raises(StoppedError):
        run(recipe, tmp_path, stopping_after(stopped_after))
    resumed, encoder = run(recipe, tmp_path, progress)
    wanted, unbroken, _ = whole
    assert same_weights(encoder, unbroken)
    assert resumed.steps.equals(wanted.steps)
    assert resumed.dev.equals(wanted.dev)
    assert resumed.best_step == wanted.best_step
    saved = stopped_after // recipe.eval_steps * recipe.eval_steps
    assert counts == [saved, *[1] * (STEPS - saved)]


@pytest.mark.slow
def test_training_ends_when_patience_runs_out_and_does_not_go_on_after(
    run: Run, recipe: Recipe, tmp_path: Path
) -> None:
    impatient = replace(recipe, early_stopping=1, eval_steps=1, learning_rate=1e-2, epochs=8)
    record, encoder = run(impatient, tmp_path)
    scores = record.dev.filter(pl.col("step") > 0)["spearman"].to_list()
    assert scores[-1] <= scores[-2]
    assert scores[:-1] == sorted(scores[:-1])
    assert len(record.steps) == len(scores) < 40
    again, same = run(impatient, tmp_path)
    assert again.steps.equals(record.steps)
    assert same_weights(encoder, same)


@pytest.mark.slow
def test_a_run_that_ended_within_an_epoch_takes_no_further_step(
    run: Run, recipe: Recipe, tmp_path: Path
) -> None:
    half = replace(recipe, epochs=0.6)
    record, encoder = run(half, tmp_path)
    again, same = run(half, tmp_path)
    assert record.steps["step"].to_list() == again.steps["step"].to_list() == [1, 2, 3]
    assert same_weights(encoder, same)


@pytest.mark.slow
@pytest.mark.parametrize("mini_batch", [None, 3])
def test_with_and_without_gradcache_a_stopped_run_is_resumed_to_the_bit(
    run: Run, recipe: Recipe, tmp_path: Path, mini_batch: int | None
) -> None:
    recipe = replace(recipe, mini_batch_triplets=mini_batch, allow_duplicates=True)
    _, unbroken = run(recipe, tmp_path / "whole")
    with pytest.raises(StoppedError):
        run(recipe, tmp_path / "broken", stopping_after(8))
    _, resumed = run(recipe, tmp_path / "broken")
    assert same_weights(unbroken, resumed)


@pytest.mark.slow
def test_gradients_are_clipped_only_when_told_to(run: Run, recipe: Recipe, tmp_path: Path) -> None:
    short = replace(recipe, epochs=0.2, warmup_ratio=0.0)
    ends = {
        norm: run(replace(short, clip_norm=norm), tmp_path / str(norm))[1]
        for norm in (None, 1e-9, 1e9)
    }
    assert same_weights(ends[None], ends[1e9])
    assert not same_weights(ends[None], ends[1e-9])


@pytest.mark.slow
def test_a_finished_run_is_only_read_again(
    run: Run, recipe: Recipe, whole: tuple[TrainingRecord, SentenceTransformer, Path]
) -> None:
    wanted, unbroken, folder = whole
    record, encoder = run(recipe, folder)
    assert same_weights(encoder, unbroken)
    assert record.steps.equals(wanted.steps)


@pytest.mark.slow
def test_the_seed_decides_order_and_dropout(
    run: Run,
    recipe: Recipe,
    tmp_path: Path,
    whole: tuple[TrainingRecord, SentenceTransformer, Path],
) -> None:
    torch.rand(5)  # whatever was drawn before must not matter
    _, same = run(recipe, tmp_path / "same")
    _, other = run(replace(recipe, seed=8), tmp_path / "other")
    assert same_weights(whole[1], same)
    assert not same_weights(whole[1], other)


@pytest.mark.slow
def test_bfloat16_autocast_keeps_float32_weights(run: Run, recipe: Recipe, tmp_path: Path) -> None:
    record, encoder = run(replace(recipe, dtype="bfloat16", epochs=0.5), tmp_path)
    assert encoder.dtype == torch.float32
    assert record.steps["loss"].is_finite().all()


@pytest.mark.slow
def test_a_breakdown_stops_at_its_step(run: Run, recipe: Recipe, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match=r"broke down at step \d+: its (loss|grad_norm) is nan"):
        run(replace(recipe, learning_rate=1e30, warmup_ratio=0.0), tmp_path)


def test_steps_are_planned_for_parts_of_an_epoch(recipe: Recipe) -> None:
    assert replace(recipe, epochs=1).planned_steps(41) == 6
    assert replace(recipe, epochs=0.5).planned_steps(41) == 3
    assert replace(recipe, epochs=0.001).planned_steps(41) == 1
