"""Stage ``evaluate``: is the trained encoder better than the base it came from?

encoder, base, benchmarks -> metrics.json      the figure of every task, base and trained
                             evaluation.json   the same with confidence intervals, subsets, measures
                             hardest.json      the sentences on which the trained encoder errs most
                             space/            cosines by grade and a map of vectors, to be drawn
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stages.encoders.vector_store import VectorStore
from stages.evaluation.comparison import Resampling
from stages.evaluation.hardest import hardest
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.results import lean, results
from stages.evaluation.scoring import score_tasks
from stages.evaluation.space import curves, space
from stages.evaluation.tasks.data import LoadedTask
from stages.evaluation.tasks.loading import load_tasks
from stages.params import EvaluateParams
from stages.progress import Progress, silent
from stages.tables.json_files import write_json
from stages.tables.replacing import replacing

log = logging.getLogger(__name__)

Scores = Sequence[Mapping[str, TaskScores]]


def run(  # noqa: PLR0913 (one argument a file of the stage)
    params: EvaluateParams,
    *,
    encoder: Path,
    base: Path,
    benchmarks: Path,
    metrics: Path,
    details: Path,
    worst: Path,
    drawings: Path,
    work: Path,
    progress: Progress = silent,
) -> None:
    """Compare ``encoder`` with ``base`` on the chosen tasks and write what was found.

    Args:
        params: Settings of the stage.
        encoder: Folder of the trained encoder.
        base: Folder of the encoder it was trained from.
        benchmarks: Folder of the tasks' files, see data/README.md.
        metrics: JSON file that is written: the figures.
        details: JSON file that is written: the figures with confidence intervals.
        worst: JSON file that is written: the items with the greatest error, with their sentences.
        drawings: Folder that is written: ``space.json`` and ``agreement.tsv``, what the drawings
            of the vectors are made of.
        work: Where vectors are kept, under ``vectors/``.
        progress: Told how far it is.

    Raises:
        PipelineError: When a folder or file is missing or faulty, or an encoder has collapsed.
    """
    tasks = load_tasks(benchmarks, params.tasks)
    stores = [
        VectorStore(
            folder,
            work=work,
            batch_sentences=params.batch_sentences,
            dtype=params.dtype,
            progress=progress,
        )
        for folder in (base, encoder)
    ]
    scores = [score_tasks(store, tasks, progress=progress) for store in stores]
    resampling = Resampling(params.bootstrap_samples, params.confidence, params.seed)
    comparison = results([task.task for task in tasks], scores, resampling)
    write_json(comparison, details)
    write_json({"tasks": hardest(tasks, scores, count=params.hardest_items)}, worst)
    _write_drawings(tasks, scores, stores, folder=drawings, params=params)
    write_json(lean(comparison), metrics)
    _say(comparison)


def _write_drawings(
    tasks: Sequence[LoadedTask],
    scores: Scores,
    stores: Sequence[VectorStore],
    *,
    folder: Path,
    params: EvaluateParams,
) -> None:
    entries = space(tasks, scores, stores, drawn_pairs=params.drawn_pairs, seed=params.seed)
    write_json({"tasks": entries}, folder / "space.json")
    with replacing(folder / "agreement.tsv") as temporary:
        curves(entries).write_csv(temporary, separator="\t")


def _say(comparison: Mapping[str, Any]) -> None:
    parts = [("graded pairs", "spearman", comparison)] if comparison["tasks"] else []
    parts += [(part["group"], "value", part) for part in comparison["further"]]
    for group, key, part in parts:
        mean = part["mean"]
        log.info(
            "evaluate: %s, mean over %s: %.2f -> %.2f (%+.2f, %.0f %% between %+.2f and %+.2f)",
            *(group, len(part["tasks"]), mean["base"][key], mean["trained"][key]),
            *(mean["gain"][key], 100 * comparison["confidence"]),
            *(mean["gain"]["low"], mean["gain"]["high"]),
        )
