"""Stage ``train``: the kept triplets teach the base encoder, and a guide hides false negatives.

curated.parquet, labelled.parquet, base, guide, dev benchmark
    -> encoder/    sentence-transformers folder, with a model card
       training/   steps.tsv, dev.tsv, summary.json; live/, the curves as they grow

Stopped at any time, it goes on from its last checkpoint in the work folder. Started by torchrun or
Ray Train, all processes train one encoder together, and the first of them writes.
"""

import logging
import shutil
import time
from contextlib import suppress
from pathlib import Path

import polars as pl
import torch
from sentence_transformers import SentenceTransformer

from stages.encoders.loading import load_encoder
from stages.encoders.poolers import PROMPT_MASK
from stages.encoders.templates import require_room
from stages.engines.digests import (
    fingerprint,
    library_versions,
    rows_digest,
    source_digest,
)
from stages.engines.disk import require_space
from stages.engines.folders import MadeWith, digests_of
from stages.engines.hardware import device, resolve_dtype
from stages.engines.inventory import buried
from stages.engines.processes import Processes, join_processes
from stages.engines.protocol import Engine
from stages.errors import PipelineError, nearest
from stages.params import TrainParams
from stages.progress import Progress, silent
from stages.tables.json_files import write_json
from stages.tables.reading import read_table
from stages.tables.schemas import PAIRS
from stages.training.card import Origin, model_card
from stages.training.checkpoints import WEIGHTS_KEPT, sole_use, weights_digest
from stages.training.dev import DevEvaluator
from stages.training.guide import guide_vectors
from stages.training.heads import CLS_MLP, add_heads
from stages.training.loss import MaskedLoss
from stages.training.provenance import git_revision, lock_digest, read_if_there
from stages.training.recipe import Recipe
from stages.training.records import TrainingRecord
from stages.training.saving import save_encoder
from stages.training.trainer import fit
from stages.training.triplets import read_triplets

log = logging.getLogger(__name__)

CHECKPOINTS = 3
"""At once on the disk: the best, the last, and the one that is being written."""
CODE = (
    "stages.encoders.embedding",
    "stages.encoders.loading",
    "stages.encoders.poolers",
    "stages.encoders.templates",
    "stages.engines.processes",
    "stages.equations.contrastive_loss",
    "stages.training.batches",
    "stages.training.guide",
    "stages.training.heads",
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
    labelled: Path,
    base: Path,
    guide: Path,
    benchmarks: Path,
    encoder: Path,
    training: Path,
    preparation: Path,
    curation: Path,
    origins: Path,
    work: Path,
    progress: Progress = silent,
    engine: Engine | None = None,
) -> None:
    """Train ``base`` on ``curated`` and write ``encoder`` and the records in ``training``.

    Args:
        params: Settings of the stage.
        curated: Table of the kept triplets.
        labelled: Table of triplets that people labelled; trained on where ``params.labelled``
            says so.
        base: Folder of the encoder that training starts from.
        guide: Folder of the frozen encoder; its width and tokenizer may differ from the base's.
        benchmarks: Folder of graded pairs, one of which is ``params.dev``.
        encoder: Folder that is written.
        training: Folder that is written.
        preparation: What was read and kept, for the model card; may be missing.
        curation: What was written and kept, for the model card; may be missing.
        origins: Where the models came from, for the model card; may be missing.
        work: Where unfinished work is kept, under ``train/``.
        progress: Told how far it is.
        engine: What encodes the triplets by the guide; None is this process.

    Raises:
        PipelineError: When an input is missing or unfit, or training cannot go on.
    """
    start = time.perf_counter()
    processes = join_processes()
    origin = _origin(preparation, curation, origins)
    read = read_triplets(
        curated,
        labelled if params.labelled else None,
        batch_triplets=params.batch_triplets,
        limit=params.limit,
        seed=params.seed,
    )
    triplets = read.table
    pairs = _dev_pairs(benchmarks, params.dev)
    dev = DevEvaluator(
        pairs,
        name=params.dev,
        batch_sentences=params.batch_triplets,
        dtype=resolve_dtype(params.dtype),
    )
    models = digests_of(base, guide)
    where = {"device": device(), **library_versions()}
    facts = {
        "settings": params.by_key("train"),
        "models": [models[base.as_posix()], models[guide.as_posix()]],
        "pairs": rows_digest(pairs),
        # Not how many processes: whoever starts them, and however many, goes on where others were.
        "computed with": where,
        "code": source_digest(*CODE),
    }
    checkpoints = work / "train" / fingerprint(facts, triplets)
    _check_inputs(processes, checkpoints.name)
    vectors = None
    if params.objective == "masked":
        vectors = guide_vectors(
            work,
            guide,
            triplets,
            pooler=params.guide_pooler,
            template=params.template,
            processes=processes,
            progress=progress,
            engine=engine,
        )
    recipe = Recipe(**params.model_dump(include=set(Recipe.__dataclass_fields__)))
    loss = MaskedLoss(
        _student(base, params),
        guide=vectors,
        sigma=recipe.sigma,
        tau=recipe.tau,
        hard_negative_weight=recipe.hard_negative_weight,
        anchors=recipe.anchors,
    )
    _check_space(loss.model, checkpoints, encoder)
    files = digests_of(curated, labelled, benchmarks / f"{params.dev}.parquet") | models
    made_with = MadeWith(
        settings=params.by_key("train"), files=files, code=CODE, surroundings=where
    )
    with sole_use(checkpoints, made_with=made_with, processes=processes):
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
        summary = {
            **_summary(record, triplets),
            "labelled": read.labelled,
            "labelled_share": round(read.labelled / len(triplets), 6),
            "dtype": _dtype_name(params.dtype),
        }
        card = model_card(
            encoder.name,
            facts={"base": _identity(base), "guide": _identity(guide), "dev benchmark": params.dev}
            | summary,
            settings=params.model_dump(),
            origin=origin,
        )
        save_encoder(loss.model, encoder, card=card)
        record.write(training)
        seconds = round(time.perf_counter() - start, 1)
        write_json({**summary, "seconds": seconds}, training / "summary.json")
        _delete_finished(checkpoints)
    _say(record, triplets=len(triplets), dev=params.dev, seconds=seconds)
    if read.labelled:
        log.info(
            "train: %s of the %s triplets were labelled by people (%.1f %%)",
            *(f"{read.labelled:,}", f"{len(triplets):,}", 100 * read.labelled / len(triplets)),
        )


def _delete_finished(folder: Path) -> None:
    """Delete the work of a run that has ended, as a whole: half of it must not be gone on from."""
    with suppress(OSError):
        folder = buried(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _origin(preparation: Path, curation: Path, origins: Path) -> Origin:
    """Collect what the model card tells besides training, before training: it may take hours."""
    return Origin(
        preparation=read_if_there(preparation),
        curation=read_if_there(curation),
        models=read_if_there(origins),
        revision={"Git revision": git_revision(Path()), "dvc.lock": lock_digest(Path())},
    )


def _check_space(model: torch.nn.Module, checkpoints: Path, encoder: Path) -> None:
    """Check that the checkpoints of a run fit beside one another, and the encoder at its end."""
    weights = 4 * sum(parameter.numel() for parameter in model.parameters())
    kept = CHECKPOINTS * WEIGHTS_KEPT * weights
    require_space(checkpoints, kept, purpose="the checkpoints of train")
    require_space(encoder.parent, weights, purpose="the trained encoder")


def _check_inputs(processes: Processes, fingerprint_here: str) -> None:
    if not processes.all_have(fingerprint_here):
        raise PipelineError(
            "the processes of this run do not read the same inputs and settings.",
            remedy="give all machines the same data/, models/, params.yaml and code.",
        )


def _dev_pairs(benchmarks: Path, name: str) -> pl.DataFrame:
    names = sorted(file.stem for file in benchmarks.glob("*.parquet"))
    if name not in names:
        near = nearest(name, names)
        raise PipelineError(
            f"train.dev = {name!r} is no benchmark in {benchmarks}; "
            f"there are: {', '.join(names) or 'none'}.",
            remedy=f"did you mean {near!r}?" if near else "set train.dev to one of them.",
        )
    return read_table(benchmarks / f"{name}.parquet", PAIRS)


def _student(base: Path, params: TrainParams) -> SentenceTransformer:
    """Load the base with its pooler, and with what that pooler does while training only."""
    pooler = "cls" if params.pooler == CLS_MLP else params.pooler
    encoder = load_encoder(base, pooler=pooler, template=params.template)
    if params.pooler == PROMPT_MASK:
        require_room(encoder, params.template, max_tokens=params.max_tokens)
    add_heads(encoder, pooler=params.pooler, template=params.template, seed=params.seed)
    return encoder


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
