"""Collect what a run left behind. Whatever is not there is None, and the report says so."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import polars as pl

from stages.errors import PipelineError
from stages.reporting.browsing import COLUMNS, KEPT, Browsable, browsable
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
from stages.reporting.sampling import drawn_rows, evenly_by_reason
from stages.reporting.space_records import Space
from stages.tables.reading import count_rows, rows_at, table_batches
from stages.tables.schemas import CURATED, REJECTED, SCORED, SENTENCES, TRIPLETS, Schema

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
        browsable: The triplets that the page can search.
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
    browsable: Browsable | None = None
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
    curated, rejected = data / "curated.parquet", data / "rejected.parquet"
    findings = Findings(
        sentences=_rows(data / "sentences.parquet", SENTENCES),
        triplets=_rows(data / "triplets.parquet", TRIPLETS),
        curation=read_record(reports / "curation.json", Curation),
        scores=_scores(data / "scored.parquet", curated=curated, rejected=rejected),
        kept=_kept(curated, samples, seed=seed),
        rejected=_rejected(rejected, samples, seed=seed),
        browsable=browsable(_triplets(curated, rejected)),
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


def _rows(path: Path, schema: Schema) -> int | None:
    return count_rows(path, schema) if path.is_file() else None


def _kept(curated: Path, samples: int, *, seed: int) -> pl.DataFrame | None:
    rows = _rows(curated, CURATED)
    if rows is None:
        return None
    return rows_at(curated, CURATED, drawn_rows(rows, samples, seed=seed))


def _rejected(rejected: Path, samples: int, *, seed: int) -> pl.DataFrame | None:
    if not rejected.is_file():
        return None
    reasons = _columns(rejected, REJECTED, pl.col("reason").cast(pl.Categorical))["reason"]
    drawn = evenly_by_reason(reasons, samples, seed=seed)
    table = rows_at(rejected, REJECTED, drawn)
    order = {row: place for place, row in enumerate(sorted(drawn))}
    return table[[order[row] for row in drawn]]


def _triplets(curated: Path, rejected: Path) -> Iterator[pl.DataFrame]:
    if curated.is_file():
        for part in table_batches(curated, CURATED, columns=COLUMNS):
            yield part.with_columns(reason=pl.lit(KEPT))
    if rejected.is_file():
        yield from table_batches(rejected, REJECTED, columns=COLUMNS)


def _scores(scored: Path, *, curated: Path, rejected: Path) -> pl.DataFrame | None:
    """Return both scores and what became of the row: 17 bytes a row of the tables."""
    columns = [pl.col("entailment_score"), pl.col("contradiction_score")]
    if curated.is_file() and rejected.is_file():
        return pl.concat(
            [
                _columns(curated, CURATED, *columns, pl.lit(value=True).alias("kept")),
                _columns(rejected, REJECTED, *columns, pl.lit(value=False).alias("kept")),
            ]
        )
    if not scored.is_file():
        return None
    return _columns(scored, SCORED, *columns, pl.lit(None, pl.Boolean).alias("kept"))


def _columns(path: Path, schema: Schema, *wanted: pl.Expr) -> pl.DataFrame:
    """Read what ``wanted`` makes of a table, some rows of it at a time."""
    names = {name for expression in wanted for name in expression.meta.root_names()}
    parts = table_batches(path, schema, columns=names)
    return pl.concat(
        [pl.DataFrame(schema=schema).select(wanted), *(part.select(wanted) for part in parts)]
    )


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
