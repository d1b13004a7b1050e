"""Stage ``evaluate``: is the trained encoder better than the base it came from?

encoder, base, benchmarks -> metrics.json      Spearman of cosine and human score, base and trained
                             evaluation.json   the same with confidence intervals
"""

import logging
from pathlib import Path

import numpy as np
import polars as pl

from stages.encoders.embedding import embed
from stages.encoders.loading import load_encoder
from stages.errors import PipelineError
from stages.evaluation.comparison import Floats, Resampling, TaskCosines, compare, lean
from stages.params import EvaluateParams
from stages.progress import Progress, silent
from stages.tables import PAIRS, read_table, write_json

log = logging.getLogger(__name__)


def run(
    params: EvaluateParams,
    *,
    encoder: Path,
    base: Path,
    benchmarks: Path,
    metrics: Path,
    details: Path,
    progress: Progress = silent,
) -> None:
    """Compare ``encoder`` with ``base`` on every benchmark and write ``metrics`` and ``details``.

    Args:
        params: Settings of the stage.
        encoder: Folder of the trained encoder.
        base: Folder of the encoder it was trained from.
        benchmarks: Folder of graded pairs, one Parquet file a benchmark.
        metrics: JSON file that is written: the figures.
        details: JSON file that is written: the figures with confidence intervals.
        progress: Told how far it is.

    Raises:
        PipelineError: When a folder or file is missing, or a benchmark cannot be ranked.
    """
    tables = _read_benchmarks(benchmarks)
    base_cosines, trained_cosines = (
        _cosines(folder, tables, batch_sentences=params.batch_sentences, progress=progress)
        for folder in (base, encoder)
    )
    tasks = {
        name: TaskCosines(base_cosines[name], trained_cosines[name], table["score"].to_numpy())
        for name, table in tables.items()
    }
    resampling = Resampling(params.bootstrap_samples, params.confidence, params.seed)
    comparison = compare(tasks, resampling)
    write_json(comparison, details)
    write_json(lean(comparison), metrics)
    mean = comparison["mean"]
    log.info(
        "evaluate: mean over %s benchmarks %.2f -> %.2f (%+.2f, %.0f %% between %+.2f and %+.2f)",
        *(len(tasks), mean["base"]["spearman"], mean["trained"]["spearman"]),
        *(mean["gain"]["spearman"], 100 * params.confidence),
        *(mean["gain"]["low"], mean["gain"]["high"]),
    )


def _read_benchmarks(folder: Path) -> dict[str, pl.DataFrame]:
    tables = {file.stem: read_table(file, PAIRS) for file in sorted(folder.glob("*.parquet"))}
    if not tables:
        raise PipelineError(
            f"{folder} holds no benchmark (.parquet file of graded pairs).",
            remedy="run `dvc repro prepare` first, or mend prepare.benchmarks.",
        )
    for name, table in tables.items():
        if table["score"].n_unique() < 2:
            raise PipelineError(
                f"the benchmark {name!r} in {folder} has {len(table)} pairs that all have the same "
                "score, so nothing can be ranked.",
                remedy="mend its scores, or take the file out of prepare.benchmarks.",
            )
    return tables


def _cosines(
    folder: Path, tables: dict[str, pl.DataFrame], *, batch_sentences: int, progress: Progress
) -> dict[str, Floats]:
    """Return the cosines by benchmark; a sentence is encoded once, however often it occurs."""
    columns = [table[side] for table in tables.values() for side in ("sentence1", "sentence2")]
    sentences = pl.concat(columns).to_list()
    vectors = embed(
        load_encoder(folder), sentences, batch_sentences=batch_sentences, progress=progress
    )
    cosines, start = {}, 0
    for name, table in tables.items():
        middle, stop = start + len(table), start + 2 * len(table)
        cosines[name] = np.einsum(
            "ij,ij->i", vectors[start:middle], vectors[middle:stop], dtype=float
        )
        if not np.ptp(cosines[name]) > 0:  # also when NaN
            raise PipelineError(
                f"{folder} gives all pairs of the benchmark {name!r} the same cosine, or none.",
                remedy="it has collapsed: train again with a lower train.learning_rate.",
            )
        start = stop
    return cosines
