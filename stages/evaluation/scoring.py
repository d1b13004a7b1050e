"""One encoder on many tasks: all sentences are encoded first, together, and each of them once."""

from collections.abc import Sequence

from stages.encoders.vector_store import VectorStore
from stages.evaluation.kinds import bitext, classification, retrieval, sts
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.tasks.data import (
    AlignedLines,
    Collection,
    GradedPairs,
    LabelledRows,
    LoadedTask,
)
from stages.progress import Progress, silent


def score_tasks(
    store: VectorStore, tasks: Sequence[LoadedTask], *, progress: Progress = silent
) -> dict[str, TaskScores]:
    """Return what the encoder of ``store`` gets on ``tasks``, by name.

    Args:
        store: The encoder's vectors; no sentence meets the same encoder twice.
        tasks: See :func:`stages.evaluation.tasks.loading.load_tasks`.
        progress: Told how far it is.

    Raises:
        PipelineError: When the encoder does not load, or has collapsed.
    """
    store.add([sentence for task in tasks for sentence in task.sentences()])
    quick = [task for task in tasks if not isinstance(task.data, Collection)]
    scores = {}
    with progress(f"Scoring {store.encoder.name}", total=len(quick), unit="tasks") as advance:
        for task in quick:
            scores[task.task.name] = _scored(task, store)
            advance(1)
    for task in tasks:
        if isinstance(task.data, Collection):  # shows its own progress
            name = task.task.name
            scores[name] = retrieval.score(name, task.data, store, progress=progress)
    return {task.task.name: scores[task.task.name] for task in tasks}


def _scored(loaded: LoadedTask, store: VectorStore) -> TaskScores:
    match loaded.data:
        case GradedPairs():
            return sts.score(loaded.task.name, loaded.data, store)
        case LabelledRows():
            return classification.score(loaded.data, store, folds=loaded.task.folds)
        case AlignedLines():
            return bitext.score(loaded.data, store)
        case Collection():
            message = "a collection has a progress of its own"
            raise AssertionError(message)
