"""From names of tasks to their data: the benchmarks folder has it, the hub, or nobody."""

import logging
from collections.abc import Sequence
from pathlib import Path

from stages.errors import PipelineError
from stages.evaluation.tasks.data import LoadedTask
from stages.evaluation.tasks.definitions import Task, chosen_tasks
from stages.evaluation.tasks.hub import HubFiles
from stages.evaluation.tasks.reading import LocalFiles, read_task

log = logging.getLogger(__name__)

COLUMNS = {
    "pairs": "subset, score, sentence1, sentence2",
    "corpus": "_id, title, text",
    "queries": "_id, text",
    "qrels": "query-id, corpus-id, score",
    "left": "a sentence a line",
    "right": "a sentence a line",
}
"""What a file of each role holds; those of labelled rows depend on the task's ``inputs``."""


def load_tasks(folder: Path, names: Sequence[str]) -> list[LoadedTask]:
    """Read the tasks that ``names`` (groups or tasks) stand for.

    A task without data is left out, and a warning says which files to put where; the others stay.

    Args:
        folder: The benchmarks folder.
        names: See :func:`chosen_tasks`.

    Raises:
        PipelineError: When a file is faulty, a name unknown, or no task has data.
    """
    hub = HubFiles()
    loaded = []
    for task in chosen_tasks(folder, names):
        columns: dict[str, str] = {}
        files = local_files(task, folder)
        if files is None and task.hub is not None:
            files, columns = hub.fetched(task.hub), task.hub.columns
            if files is not None:
                log.info(
                    "%s: from the hub, %s@%s", task.name, task.hub.repository, task.hub.revision
                )
        if files is None:
            log.warning("%s", what_is_missing(task, folder))
        else:
            loaded.append(LoadedTask(task, read_task(task, files, columns=columns)))
    if not loaded:
        raise PipelineError(
            f"{folder} holds no benchmark of {', '.join(names)}.",
            remedy="mend prepare.benchmarks or evaluate.tasks, or fill the folder as said above.",
        )
    return loaded


def local_files(task: Task, folder: Path) -> LocalFiles | None:
    """Return the files of ``task`` by role when ``folder`` has all of them.

    A file may also lie in ``folder`` itself, without the subfolders of its declared path.
    """
    for places in (
        {role: folder / path for role, path in task.files.items()},
        {role: folder / Path(path).name for role, path in task.files.items()},
    ):
        if all(place.is_file() for place in places.values()):
            return {role: [place] for role, place in places.items()}
    return None


def what_is_missing(task: Task, folder: Path) -> str:
    """Say in one line which files ``task`` lacks and what they must hold."""
    rows = "label, sentence" if task.inputs == "sentence" else "label, sentence1, sentence2"
    files = " and ".join(
        f"{path} ({COLUMNS.get(role, rows)})"
        for role, path in task.files.items()
        if not (folder / path).is_file()
    )
    source = f", or connect to the hub ({task.hub.repository})" if task.hub else ""
    return f"{task.name} is left out, for it has no data: put {files} into {folder}{source}"
