"""Stage ``train``: the kept triplets teach the base encoder, and a guide hides false negatives.

curated.parquet, base, guide, dev benchmark -> encoder/    sentence-transformers folder
                                               training/   steps.tsv, dev.tsv, summary.json
                                                           live/, the curves as they grow

Stopped at any time, it goes on from its last checkpoint in the work folder. Started by torchrun,
all processes train one encoder together, and the first of them writes.
"""

import difflib
import logging
import shutil
import time
from pathlib import Path

import polars as pl

from stages.encoders.loading import load_encoder
from stages.engines.hardware import resolve_dtype
from stages.engines.processes import Processes, join_processes
from stages.engines.shards import source_digest
from stages.errors import PipelineError
from stages.params import TrainParams
from stages.progress import Progress, silent
from stages.tables import CURATED, PAIRS, read_table, write_json
from stages.training.checkpoints import fingerprint, weights_digest
from stages.training.dev import DevEvaluator
from stages.training.guide import GuideVectors, write_guide_vectors
from stages.training.loss import MaskedLoss
from stages.training.recipe import Recipe
from stages.training.records import TrainingRecord
from stages.training.saving import model_card, save_encoder
from stages.training.trainer import COLUMNS, fit

log = logging.getLogger(__name__)

CODE = (
    "stages.encoders.embedding",
    "stages.encoders.loading",
    "stages.engines.processes",
    "stages.equations.contrastive_loss",
    "stages.training.batches",
    "stages.training.guide",
    "stages.training.loss",
    "stages.training.patience",
    "stages.training.recipe",
    "stages.training.steps",
    "stages.training.trainer",
)
"""What shapes a checkpoint besides the inputs and the settings."""


def run(  # noqa: PLR0913 (one argument a file of the stage)
    params: TrainParams,
    *,
    curated: Path,
    base: Path,
    guide: Path,
    benchmarks: Path,
    encoder: Path,
    training: Path,
    work: Path,
    progress: Progress = silent,
) -> None:
    """Train ``base`` on ``curated`` and write ``encoder`` and the records in ``training``.

    Args:
        params: Settings of the stage.
        curated: Table of the kept triplets.
        base: Folder of the encoder that training starts from.
        guide: Folder of the frozen encoder; its width and tokenizer may differ from the base's.
        benchmarks: Folder of graded pairs, one of which is ``params.dev``.
        encoder: Folder that is written.
        training: Folder that is written.
        work: Where unfinished work is kept, under ``train/``.
        progress: Told how far it is.

    Raises:
        PipelineError: When an input is missing or unfit, or training cannot go on.
    """
    start = time.perf_counter()
    processes = join_processes()
    triplets = _triplets(curated, params.batch_triplets)
    pairs = _dev_pairs(benchmarks, params.dev)
    dev = DevEvaluator(pairs, name=params.dev, batch_sentences=params.batch_triplets)
    parts = (params, curated, base, guide, pairs.rows(), source_digest(*CODE), processes.world)
    checkpoints = work / "train" / fingerprint(*parts)
    _check_inputs(processes, checkpoints.name)
    vectors = None
    if params.objective == "masked":
        vectors = _guide_vectors(curated, guide, work=work, processes=processes, progress=progress)
    recipe = Recipe(**params.model_dump(exclude={"dev"}))
    loss = MaskedLoss(
        load_encoder(base),
        guide=vectors,
        sigma=recipe.sigma,
        tau=recipe.tau,
        hard_negative_weight=recipe.hard_negative_weight,
    )
    record = fit(
        *(loss, triplets),
        dev=dev,
        recipe=recipe,
        folder=checkpoints,
        curves=training / "live",
        processes=processes,
        progress=progress,
    )
    if not processes.is_first:
        return
    summary = {**_summary(record, triplets), "dtype": _dtype_name(params.dtype)}
    card = model_card(
        encoder.name,
        facts={"base": _identity(base), "guide": _identity(guide), "dev benchmark": params.dev}
        | summary,
        settings=params.model_dump(),
    )
    save_encoder(loss.model, encoder, card=card)
    record.write(training)
    seconds = round(time.perf_counter() - start, 1)
    write_json({**summary, "seconds": seconds}, training / "summary.json")
    shutil.rmtree(checkpoints, ignore_errors=True)
    _say(record, triplets=len(triplets), dev=params.dev, seconds=seconds)


def _check_inputs(processes: Processes, fingerprint_here: str) -> None:
    if not processes.all_have(fingerprint_here):
        raise PipelineError(
            "the processes of this run do not read the same inputs and settings.",
            remedy="give all machines the same data/, models/, params.yaml and code.",
        )


def _triplets(curated: Path, batch_triplets: int) -> pl.DataFrame:
    table = read_table(curated, CURATED)
    if len(table) < batch_triplets:
        raise PipelineError(
            f"{curated} holds {len(table)} triplets, fewer than one batch of {batch_triplets} "
            "(train.batch_triplets).",
            remedy="lower train.batch_triplets, give more sentences, or loosen curate.*.",
        )
    return table.select(COLUMNS)


def _dev_pairs(benchmarks: Path, name: str) -> pl.DataFrame:
    names = sorted(file.stem for file in benchmarks.glob("*.parquet"))
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        raise PipelineError(
            f"train.dev = {name!r} is no benchmark in {benchmarks}; "
            f"there are: {', '.join(names) or 'none'}.",
            remedy=f"did you mean {near[0]!r}?" if near else "set train.dev to one of them.",
        )
    return read_table(benchmarks / f"{name}.parquet", PAIRS)


def _guide_vectors(
    curated: Path, guide: Path, *, work: Path, processes: Processes, progress: Progress
) -> GuideVectors:
    """Return the guide's vectors, which stay in ``work``: sweeps of other settings share them."""
    path = work / "train" / f"guide-{fingerprint(curated, guide)}.npy"
    processes.wait()  # so that all see the same files
    if not path.is_file():
        table = read_table(curated, CURATED)
        columns = [table[name].to_list() for name in COLUMNS]
        encoder = load_encoder(guide)
        write_guide_vectors(path, encoder, columns, processes=processes, progress=progress)
    return GuideVectors(path)


def _summary(record: TrainingRecord, triplets: pl.DataFrame) -> dict[str, float]:
    return {
        "triplets": len(triplets),
        "steps": len(record.steps),
        "best_step": record.best_step,
        "best_dev": round(record.best_dev, 4),
        "base_dev": round(record.base_dev, 4),
        "masked_pairs": record.masked_pairs,
        "masked_ratio": round(record.masked_ratio, 6),
    }


def _identity(folder: Path) -> str:
    return f"{folder.name}, weights sha256 {weights_digest(folder)[:16]}"


def _dtype_name(dtype: str) -> str:
    return str(resolve_dtype(dtype)).removeprefix("torch.")


def _say(record: TrainingRecord, *, triplets: int, dev: str, seconds: float) -> None:
    if record.best_dev <= record.base_dev:
        log.warning(
            "train: no step beat the base on %s (%.2f before, %.2f at best); the best was kept",
            *(dev, record.base_dev, record.best_dev),
        )
    log.info(
        "train: %s triplets, %s steps in %.0f s; %s %.2f -> %.2f (step %s), %s pairs masked",
        *(f"{triplets:,}", len(record.steps), seconds, dev, record.base_dev, record.best_dev),
        *(record.best_step, f"{record.masked_pairs:,}"),
    )
