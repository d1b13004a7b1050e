"""The training loop: sentence-transformers' trainer, told to be quiet, exact and resumable."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

import polars as pl
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from transformers.trainer_callback import PrinterCallback

from stages.encoders.loading import no_progress_bars
from stages.engines.hardware import resolve_dtype
from stages.errors import PipelineError
from stages.progress import Progress, silent
from stages.training.checkpoints import last_checkpoint, step_of
from stages.training.dev import METRIC, DevEvaluator
from stages.training.guide import COLUMNS
from stages.training.loss import MaskedLoss
from stages.training.recipe import Recipe
from stages.training.records import TrainingRecord

log = logging.getLogger(__name__)

__all__ = ["COLUMNS", "fit"]


def fit(
    loss: MaskedLoss,
    triplets: pl.DataFrame,
    *,
    dev: DevEvaluator,
    recipe: Recipe,
    folder: Path,
    progress: Progress = silent,
) -> TrainingRecord:
    """Train the encoder inside ``loss`` and leave it with the weights that did best on ``dev``.

    AdamW, warm-up then linear decay, gradients clipped to length 1, dropout on; no two triplets
    of a batch share a sentence. Stopped and started again with the same ``folder``, it goes on
    from the last checkpoint.

    Args:
        loss: Holds the encoder and the guide's vectors of ``triplets``.
        triplets: Columns premise, entailment and contradiction.
        dev: Looked at before the first step, every ``recipe.eval_steps`` and after the last.
        recipe: The settings.
        folder: For checkpoints; used by one run at a time.
        progress: Told how many steps are done.

    Raises:
        PipelineError: When the loss is not finite or the encoder collapses.
    """
    resumed = last_checkpoint(folder)
    steps = recipe.planned_steps(len(triplets))
    trainer = _Trainer(
        model=loss.model,
        args=_arguments(recipe, steps, folder, dev_first=resumed is None),
        train_dataset=_dataset(triplets),
        loss=loss,
        evaluator=dev,
        data_collator=_collator(loss.model, recipe.max_tokens),
    )
    trainer.remove_callback(PrinterCallback)
    if resumed is not None:
        log.info("train: going on from %s", resumed.name)
    with progress("Training", total=steps, unit="steps") as advance, no_progress_bars():
        trainer.advance = advance
        advance(0 if resumed is None else step_of(resumed))
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    return TrainingRecord.from_history(
        trainer.state.log_history, best_step=trainer.state.best_global_step or 0
    )


def _dataset(triplets: pl.DataFrame) -> Dataset:
    columns = {name: triplets[name].to_list() for name in COLUMNS}
    return Dataset.from_dict({**columns, "label": list(range(len(triplets)))})


def _collator(encoder: SentenceTransformer, max_tokens: int) -> SentenceTransformerDataCollator:
    """Cut sentences here and not in the encoder, which keeps its own longest input."""
    limits = [limit for limit in (max_tokens, encoder.max_seq_length) if limit is not None]
    return SentenceTransformerDataCollator(preprocess_fn=encoder.preprocess, max_length=min(limits))


def _arguments(
    recipe: Recipe, steps: int, folder: Path, *, dev_first: bool
) -> SentenceTransformerTrainingArguments:
    on_gpu = torch.cuda.is_available()
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.batch_triplets,
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        warmup_steps=math.ceil(recipe.warmup_ratio * steps),
        lr_scheduler_type="linear",
        weight_decay=recipe.weight_decay,
        bf16=resolve_dtype(recipe.dtype) is torch.bfloat16,
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        seed=recipe.seed,
        eval_strategy="steps",
        eval_on_start=dev_first,
        eval_steps=recipe.eval_steps,
        save_strategy="steps",
        save_steps=recipe.eval_steps,
        save_total_limit=1,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{METRIC}",
        greater_is_better=True,
        logging_steps=1,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        report_to=[],
    )


class _Trainer(SentenceTransformerTrainer):
    """Says more of each step than the parent, and stops where the parent goes on in silence."""

    advance: Callable[[int], None]

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write to the history; comes after every step, and before anything is saved."""
        if "loss" in logs:
            _check_finite(logs, step=self.state.global_step)
            logs = {**logs, "masked_ratio": cast(MaskedLoss, self.loss).masked_ratio}
            self.advance(1)
        super().log(logs, start_time)

    def add_model_card_callback(self, default_args_dict: dict[str, object]) -> None:
        """Do nothing: the card is written by :mod:`stages.training.saving`."""

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:  # noqa: ARG002
        # The parent also writes a model card and pickles its arguments into every checkpoint.
        self.model.save_pretrained(str(output_dir), create_model_card=False)

    def _load_best_model(self) -> None:
        # The parent logs a failure and keeps the last weights.
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))


def _check_finite(logs: Mapping[str, float], *, step: int) -> None:
    for quantity in ("loss", "grad_norm"):
        if not math.isfinite(value := logs.get(quantity, 0.0)):
            raise PipelineError(
                f"training broke down at step {step}: its {quantity} is {value}.",
                remedy="lower train.learning_rate or raise train.tau; with bfloat16, try float32.",
            )
