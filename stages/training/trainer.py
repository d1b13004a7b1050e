"""The training loop: sentence-transformers' trainer, told to be quiet, exact and resumable."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers, DefaultBatchSampler
from torch.utils.data import DataLoader
from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from stages.encoders.loading import no_progress_bars
from stages.engines.hardware import resolve_dtype
from stages.engines.processes import ALONE, Processes
from stages.errors import PipelineError
from stages.progress import Progress, kept_when_stopped, silent
from stages.training.batches import Batch, Collator, ShuffledBatches
from stages.training.checkpoints import (
    SUMS,
    delete_but,
    failed_writes_told,
    last_checkpoint,
    seal,
    step_of,
)
from stages.training.curves import LiveCurves
from stages.training.dev import METRIC, DevEvaluator
from stages.training.dropout import check_dropout
from stages.training.loss import ENCODED, MaskedLoss
from stages.training.patience import EarlyStopping, out_of_patience
from stages.training.recipe import Recipe
from stages.training.records import TrainingRecord
from stages.training.steps import Stepper

log = logging.getLogger(__name__)

GROUP_SENTENCES = 64
"""Sentences that go through the encoder at once; fewer are slower, more have more padding."""


def fit(  # noqa: PLR0913 (one argument a part of the run)
    loss: MaskedLoss,
    triplets: pl.DataFrame,
    *,
    dev: DevEvaluator,
    recipe: Recipe,
    folder: Path,
    curves: Path | None = None,
    processes: Processes = ALONE,
    progress: Progress = silent,
) -> TrainingRecord:
    """Train the encoder inside ``loss`` and leave it with the weights that did best on ``dev``.

    AdamW, warm-up then linear decay, dropout on. Stopped and started again with the same
    ``folder``, it goes on from the last checkpoint. A checkpoint holds weights (safetensors), the
    states of optimiser, schedule and random generators (loaded as plain tensors and numbers, never
    as pickled objects) and how far the run was.

    Args:
        loss: Holds the encoder and the guide's vectors of ``triplets``.
        triplets: Columns premise, entailment and contradiction.
        dev: Looked at before the first step, every ``recipe.eval_steps`` and after the last.
        recipe: The settings.
        folder: For checkpoints; used by one run at a time.
        curves: Folder of DVCLive's curves, written step by step; None writes none.
        processes: Who trains together; each has called this with the same arguments.
        progress: Told how many steps are done.

    Raises:
        PipelineError: When the guide's vectors are those of other triplets, there is no dropout to
            learn from, the loss is not finite or the encoder collapses.
    """
    _check_guide(loss, triplets)
    if recipe.objective == "unsupervised":
        check_dropout(loss.model)
    resumed = _last_checkpoint(folder, processes)
    steps = recipe.planned_steps(len(triplets))
    trainer = _Trainer(
        model=loss.model,
        args=_arguments(recipe, steps, folder, dev_first=resumed is None),
        train_dataset=_dataset(triplets, ENCODED[recipe.objective]),
        loss=loss,
        evaluator=dev,
        data_collator=cast(Any, _collator(loss.model, recipe, processes)),
        callbacks=_callbacks(recipe, curves if processes.is_first else None),
    )
    trainer.remove_callback(PrinterCallback)
    trainer.stepper = _stepper(loss, recipe, processes)
    trainer.patience = recipe.early_stopping
    if not processes.is_first:  # the same dropout for other sentences would be no chance
        torch.manual_seed(recipe.seed + processes.rank)
    if resumed is not None:
        log.info("train: going on from %s", resumed.name)
    with (
        progress("Training", total=steps, unit="steps") as advance,
        no_progress_bars(),
        failed_writes_told(folder),
        kept_when_stopped(lambda: _kept(folder, steps)),
    ):
        trainer.advance = advance
        advance(0 if resumed is None else step_of(resumed))
        trainer.train(resume_from_checkpoint=None if resumed is None else str(resumed))
    processes.wait()
    return TrainingRecord.from_history(
        trainer.state.log_history, best_step=trainer.state.best_global_step or 0
    )


def _check_guide(loss: MaskedLoss, triplets: pl.DataFrame) -> None:
    if loss.guide is not None and len(loss.guide) != len(triplets):
        raise PipelineError(
            f"the guide's vectors are those of {len(loss.guide)} triplets, but there are "
            f"{len(triplets)}.",
            remedy="ask the guide about the triplets that are trained on.",
        )


def _last_checkpoint(folder: Path, processes: Processes) -> Path | None:
    """Return the newest whole checkpoint; one process looks first, since it deletes the others."""
    if processes.is_first:
        last_checkpoint(folder)
    processes.wait()
    return last_checkpoint(folder)


def _kept(folder: Path, steps: int) -> str:
    whole = [state.parent for state in folder.glob(f"checkpoint-*/{SUMS}")]
    step = max(map(step_of, whole), default=0)
    return f"train: {step} of {steps} steps, in {folder}"


def _callbacks(recipe: Recipe, curves: Path | None) -> list[TrainerCallback]:
    stopping = EarlyStopping(recipe.early_stopping)
    return [stopping] if curves is None else [stopping, LiveCurves(curves)]


def _dataset(triplets: pl.DataFrame, columns: Sequence[str]) -> Dataset:
    texts = {name: triplets[name].to_list() for name in dict.fromkeys(columns)}
    return Dataset.from_dict({**texts, "label": list(range(len(triplets)))})


def _collator(encoder: SentenceTransformer, recipe: Recipe, processes: Processes) -> Collator:
    columns = ENCODED[recipe.objective]
    limits = [n for n in (recipe.max_tokens, encoder.max_seq_length) if n is not None]
    group = GROUP_SENTENCES
    if recipe.mini_batch_triplets is not None:
        group = len(columns) * recipe.mini_batch_triplets
    return Collator(encoder.preprocess, columns, group, min(limits), processes)


def _stepper(loss: MaskedLoss, recipe: Recipe, processes: Processes) -> Stepper:
    return Stepper(
        loss.model,
        loss,
        columns=len(ENCODED[recipe.objective]),
        replay=recipe.mini_batch_triplets is not None,
        dtype=resolve_dtype(recipe.dtype),
        processes=processes,
    )


def _arguments(
    recipe: Recipe, steps: int, folder: Path, *, dev_first: bool
) -> SentenceTransformerTrainingArguments:
    on_gpu = torch.cuda.is_available()
    sampler = ShuffledBatches if recipe.allow_duplicates else BatchSamplers.NO_DUPLICATES
    return SentenceTransformerTrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=recipe.batch_triplets,
        batch_sampler=sampler,
        max_steps=steps,
        learning_rate=recipe.learning_rate,
        warmup_steps=math.ceil(recipe.warmup_ratio * steps),
        lr_scheduler_type="linear",
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.clip_norm or 0.0,
        use_cpu=not on_gpu,
        dataloader_pin_memory=on_gpu,
        seed=recipe.seed,
        eval_strategy="steps",
        eval_on_start=dev_first,
        eval_steps=recipe.eval_steps,
        save_strategy="steps",
        save_steps=recipe.eval_steps,
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
    stepper: Stepper
    patience: int | None

    def get_train_dataloader(self) -> DataLoader[Any]:
        """Give whole batches to every process, which each takes its share of."""
        dataset = cast(Dataset, self.train_dataset)
        sampler = self.get_batch_sampler(
            dataset,
            batch_size=self.args.per_device_train_batch_size,
            drop_last=False,
            valid_label_columns=["label"],
            generator=torch.Generator().manual_seed(self.args.seed),
            seed=self.args.seed,
        )
        return _Loader(dataset, batch_sampler=sampler, collate_fn=self.data_collator)

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: object = None,  # noqa: ARG002 (the parent's signature)
    ) -> torch.Tensor:
        """Add one batch's gradient and return its loss; no wrapper of the model takes part."""
        model.train()
        batch: Batch = inputs["batch"]
        return self.stepper.backward(batch)

    def evaluate(self, *args: Any, **kwargs: Any) -> dict[str, float]:
        """Look at the dev set, and draw the same dropout afterwards as without a look."""
        devices = [self.args.device] if self.args.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):  # the parent's loader draws a seed
            return super().evaluate(*args, **kwargs)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Write to the history; comes after every step, and before anything is saved."""
        if "loss" in logs:
            _check_finite(logs, step=self.state.global_step)
            loss = cast(MaskedLoss, self.loss)
            logs |= {"masked_pairs": loss.masked_pairs, "masked_ratio": loss.masked_ratio}
            self.advance(1)
        super().log(logs, start_time)

    def _wrap_model(
        self,
        model: torch.nn.Module,
        training: bool = True,  # noqa: ARG002 (the parent's signature)
        dataloader: object = None,  # noqa: ARG002
    ) -> torch.nn.Module:
        # The stepper adds up the processes' gradients: wrappers for that must keep away.
        model._is_accelerate_prepared = True  # type: ignore[assignment]
        return model

    def _run_epoch(self, **arguments: Any) -> None:  # type: ignore[override]
        # The parent would take another step when it goes on from where a run had ended.
        ended = out_of_patience(self.state.log_history, patience=self.patience)
        if ended or self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        else:
            super()._run_epoch(**arguments)  # type: ignore[no-untyped-call]

    def _save_checkpoint(self, model: torch.nn.Module, trial: Any) -> None:
        """Save, seal what is saved, and only then delete what it replaces."""
        super()._save_checkpoint(model, trial)
        if self.stepper.processes.is_first:
            folder = Path(str(self.args.output_dir))
            saved = folder / f"checkpoint-{self.state.global_step}"
            seal(saved)
            delete_but({saved, Path(str(self.state.best_model_checkpoint))}, folder=folder)

    def _save_rng_state(self, output_dir: str) -> None:
        # The first process seals the checkpoint next, so all must have written this.
        super()._save_rng_state(output_dir)
        self.stepper.processes.wait()

    def add_model_card_callback(self, default_args_dict: dict[str, object]) -> None:
        """Do nothing: the card is written by :mod:`stages.training.saving`."""

    def _save(self, output_dir: str | None = None, state_dict: object = None) -> None:  # noqa: ARG002
        # The parent also writes a model card and pickles its arguments into every checkpoint.
        self.model.save_pretrained(str(output_dir), create_model_card=False)

    def _load_best_model(self) -> None:
        # The parent logs a failure and keeps the last weights.
        self._load_from_checkpoint(str(self.state.best_model_checkpoint))


class _Loader(DataLoader[Any]):
    """Passes the epoch on to the sampler, which shuffles by it."""

    def set_epoch(self, epoch: int) -> None:
        cast(DefaultBatchSampler, self.batch_sampler).set_epoch(epoch)


def _check_finite(logs: Mapping[str, float], *, step: int) -> None:
    for quantity in ("loss", "grad_norm"):
        if not math.isfinite(value := logs.get(quantity, 0.0)):
            raise PipelineError(
                f"training broke down at step {step}: its {quantity} is {value}.",
                remedy="lower train.learning_rate or raise train.tau; with bfloat16, try float32.",
            )
