"""Collect what a run left behind. Whatever is not there is None, and the report says so."""

from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from stages.errors import PipelineError
from stages.reporting.evaluation_records import Evaluation, Hardest
from stages.reporting.experiments import Experiment, read_experiments
from stages.reporting.records import (
    Curation,
    Metrics,
    Quality,
    ServerUsage,
    Timing,
    TrainingSummary,
    read_curve,
    read_record,
)
from stages.reporting.sampling import evenly_by_reason, sample_rows
from stages.reporting.space_records import Space
from stages.tables import CURATED, REJECTED, SCORED, SENTENCES, TRIPLETS, Schema, read_table

STAGE_ORDER = (
    "fetch",
    "prepare",
    "generate",
    "score",
    "curate",
    "validate",
    "train",
    "evaluate",
)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Everything the report shows about a run; None or empty where it was not found.

    Args:
        sentences: Number of input sentences.
        triplets: Number of triplets the language model wrote.
        curation: Counts of kept and rejected triplets.
        scores: Columns entailment_score, contradiction_score (0 to 5, null when not judged) and
            kept (null when curation has not run).
        kept: The sampled kept triplets.
        rejected: The sampled rejected triplets, with their reason.
        curated: All kept triplets.
        rejections: All rejected triplets.
        quality: The data checks.
        evaluation: Base against trained encoder.
        hardest: The sentences behind the greatest errors.
        space: What is drawn of the vectors themselves.
        experiments: What reports/experiments/ holds, by name.
        loss: Columns step, loss.
        dev: Columns step, spearman (times 100).
        training: One line about the training run.
        timings: Last run of each stage, in the order of the pipeline.
        served: What the stages that asked a server used, by the stage's name.
    """

    sentences: int | None = None
    triplets: int | None = None
    curation: Curation | None = None
    scores: pl.DataFrame | None = None
    kept: pl.DataFrame | None = None
    rejected: pl.DataFrame | None = None
    curated: pl.DataFrame | None = None
    rejections: pl.DataFrame | None = None
    quality: Quality | None = None
    evaluation: Evaluation | None = None
    hardest: Hardest | None = None
    space: Space | None = None
    experiments: tuple[Experiment, ...] = ()
    loss: pl.DataFrame | None = None
    dev: pl.DataFrame | None = None
    training: TrainingSummary | None = None
    timings: tuple[Timing, ...] = ()
    served: tuple[tuple[str, ServerUsage], ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether no stage has left any result (costs and experiments alone are none)."""
        others = {"timings", "served", "experiments"}
        results = [f.name for f in fields(self) if f.name not in others]
        return all(getattr(self, name) is None for name in results)


def gather(folder: Path, *, samples: int, seed: int) -> Findings:
    """Read the results of a run from the project ``folder``.

    Args:
        folder: Root of the project, with data/ and reports/.
        samples: Triplets to draw of the kept, and as many of the rejected.
        seed: Seed of the draw.

    Raises:
        PipelineError: When nothing is there at all, or a file that is there cannot be read.
    """
    data, reports = folder / "data", folder / "reports"
    curated = _table(data / "curated.parquet", CURATED)
    rejected = _table(data / "rejected.parquet", REJECTED)
    findings = Findings(
        sentences=_rows(data / "sentences.parquet", SENTENCES),
        triplets=_rows(data / "triplets.parquet", TRIPLETS),
        curation=read_record(reports / "curation.json", Curation),
        scores=_scores(data / "scored.parquet", curated=curated, rejected=rejected),
        kept=None if curated is None else sample_rows(curated, samples, seed=seed),
        rejected=None if rejected is None else evenly_by_reason(rejected, samples, seed=seed),
        curated=curated,
        rejections=rejected,
        quality=read_record(reports / "quality.json", Quality),
        evaluation=read_record(reports / "evaluation.json", Evaluation),
        hardest=read_record(reports / "hardest.json", Hardest),
        space=read_record(reports / "space" / "space.json", Space),
        experiments=read_experiments(reports / "experiments"),
        loss=read_curve(reports / "training" / "steps.tsv", measures=("loss",)),
        dev=read_curve(reports / "training" / "dev.tsv", measures=("spearman",)),
        training=read_record(reports / "training" / "summary.json", TrainingSummary),
        timings=_timings(reports / "timings"),
        served=_served(reports),
    )
    if findings.nothing:
        raise PipelineError(
            f"{folder} holds no results of any stage, so there is nothing to report.",
            remedy="run the pipeline first (`dvc repro`), or name the project's folder.",
        )
    return findings


def _table(path: Path, schema: Schema) -> pl.DataFrame | None:
    return read_table(path, schema) if path.is_file() else None


def _rows(path: Path, schema: Schema) -> int | None:
    table = _table(path, schema)
    return None if table is None else len(table)


def _scores(
    scored: Path, *, curated: pl.DataFrame | None, rejected: pl.DataFrame | None
) -> pl.DataFrame | None:
    columns = ["entailment_score", "contradiction_score"]
    if curated is not None and rejected is not None:
        return pl.concat(
            [
                curated.select(*columns, kept=pl.lit(value=True)),
                rejected.select(*columns, kept=pl.lit(value=False)),
            ]
        )
    table = _table(scored, SCORED)
    return None if table is None else table.select(*columns, kept=pl.lit(None, pl.Boolean))


def _timings(folder: Path) -> tuple[Timing, ...]:
    # The report's own timing is of the run before this one, so it is left out.
    found = (read_record(folder / f"{stage}.json", Timing) for stage in STAGE_ORDER)
    return tuple(timing for timing in found if timing is not None)


def _served(reports: Path) -> tuple[tuple[str, ServerUsage], ...]:
    files = {"generate": "generation.json", "score": "scoring.json"}
    found = {stage: read_record(reports / name, Metrics) for stage, name in files.items()}
    return tuple(
        (stage, metrics.server)
        for stage, metrics in found.items()
        if metrics is not None and metrics.server is not None
    )
