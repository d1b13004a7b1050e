"""Two revisions side by side: their figures and what was set differently.

What a revision found is read through DVC, from Git and the cache; the pipeline's own report needs
neither, for only the command line asks for a comparison.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from stages.errors import PipelineError
from stages.reporting.evaluation_records import Evaluation, Score
from stages.reporting.wording import group_name

METRICS = "reports/metrics.json"
DETAILS = "reports/evaluation.json"
BETWEEN = ".."
WORKSPACE = "workspace"
MEAN, MEAN_OF = "Mean of graded pairs", "Mean: "


@dataclass(frozen=True, kw_only=True)
class Revision:
    """What one revision found and what it was told.

    Args:
        name: As it was asked for; ``workspace`` are the files as they lie there.
        scores: Trained encoder's figure by task, means first; with its interval where known.
        bases: The same of the encoder it was trained from.
        settings: Value as text by full key.
    """

    name: str
    scores: Mapping[str, Score]
    bases: Mapping[str, Score]
    settings: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A task, or a mean over tasks, in both revisions; ``change`` is the trained encoder's."""

    task: str
    before: Score | None
    after: Score | None
    base_before: Score | None
    base_after: Score | None
    comparable: bool = True
    """False for a mean when the two revisions measured other tasks."""

    @property
    def change(self) -> float | None:
        """After less before; None when either lacks the task, or the two mean other things."""
        if not self.comparable or self.before is None or self.after is None:
            return None
        if self.before.value is None or self.after.value is None:
            return None
        return self.after.value - self.before.value


@dataclass(frozen=True, kw_only=True)
class Revisions:
    """Two revisions side by side.

    Args:
        before: Name of the one compared with.
        after: Name of the one compared.
        rows: Every task that either has.
        settings: Key, value before, value after, where they differ; None where there is no key.
    """

    before: str
    after: str
    rows: tuple[Row, ...]
    settings: tuple[tuple[str, str | None, str | None], ...]

    @property
    def same_base(self) -> bool:
        """Whether both were trained from an encoder with the same figures."""
        both = [(row.base_before, row.base_after) for row in self.rows if row.comparable]
        return all(old.value == new.value for old, new in both if old and new)


def side_by_side(folder: Path, names: str, *, workspace: Mapping[str, Any]) -> Revisions:
    """Compare what ``names`` says: ``REV`` with the workspace, or ``REV..REV`` with each other.

    Args:
        folder: Root of the project.
        names: Commits, branches, tags or DVC experiments.
        workspace: The settings in force, nested as in params.yaml.

    Raises:
        PipelineError: When a revision is unknown or holds no figures.
    """
    before, _, after = names.partition(BETWEEN)
    first = read_revision(folder, before)
    second = read_revision(folder, after) if after else _workspace(folder, workspace)
    keys = dict.fromkeys([*second.settings, *first.settings])
    pairs = [(key, first.settings.get(key), second.settings.get(key)) for key in keys]
    return Revisions(
        before=first.name,
        after=second.name,
        rows=tuple(
            _row(task, first, second) for task in dict.fromkeys([*second.scores, *first.scores])
        ),
        settings=tuple((key, old, new) for key, old, new in pairs if old != new),
    )


def read_revision(folder: Path, name: str) -> Revision:
    """Read figures and settings of one revision.

    Raises:
        PipelineError: When it is unknown or holds no figures.
    """
    if not name:
        raise PipelineError(
            "a comparison needs the name of a revision.", remedy="give REV or REV..REV."
        )
    import dvc.api
    from dvc.exceptions import DvcException

    try:
        metrics = dvc.api.read(METRICS, repo=str(folder), rev=name)
        settings = dvc.api.params_show(repo=str(folder), rev=name)
    except (DvcException, OSError) as error:
        raise _unreadable(name, error) from error
    try:
        details = dvc.api.read(DETAILS, repo=str(folder), rev=name)
    except (DvcException, OSError):
        details = "{}"  # then the figures have no intervals
    return _revision(name, metrics, details, settings=settings)


def _workspace(folder: Path, settings: Mapping[str, Any]) -> Revision:
    try:
        metrics = (folder / METRICS).read_text(encoding="utf-8")
    except OSError as error:
        raise PipelineError(
            f"{folder / METRICS} cannot be read, so there is nothing to compare: {error.strerror}.",
            remedy="run the pipeline first (`dvc repro`), or compare two revisions: REV..REV.",
        ) from error
    details = folder / DETAILS
    text = details.read_text(encoding="utf-8") if details.is_file() else "{}"
    return _revision(WORKSPACE, metrics, text, settings=settings)


def _unreadable(name: str, error: Exception) -> PipelineError:
    reason = " ".join(str(error).split()).rstrip(".")
    if "unknown Git revision" in reason:
        return PipelineError(
            f"{name!r} is no revision of this project.",
            remedy="`git log --oneline`, `git branch` and `dvc exp list` say what there is.",
        )
    if "does not exist in the target repository" in reason:
        reason = f"it holds no {METRICS} (dvc.lock has to be committed with it)"
    return PipelineError(
        f"the figures of revision {name!r} cannot be read: {reason}.",
        remedy="run the pipeline there (`dvc repro`) and commit dvc.lock, or fetch its files with "
        "`dvc pull`.",
    )


def _revision(name: str, metrics: str, details: str, *, settings: Mapping[str, Any]) -> Revision:
    try:
        figures = dict(_figures(json.loads(metrics)))
        scores = {task: Score(value=row["trained"]) for task, row in figures.items()}
        bases = {task: Score(value=row["base"]) for task, row in figures.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PipelineError(
            f"{METRICS} of revision {name!r} has another form than this version writes.",
            remedy="run the pipeline there again with this version.",
        ) from error
    for task, comparison in _intervals(details):
        if task in scores:
            scores[task], bases[task] = comparison
    written = {key: _told(value) for key, value in _leaves(settings)}
    return Revision(name=name, scores=scores, bases=bases, settings=written)


def _figures(metrics: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield name and figures: means of groups first, then tasks."""
    if "mean" in metrics:
        yield MEAN, metrics["mean"]
    for group, mean in metrics.get("means", {}).items():
        yield _mean_of(group), mean
    yield from metrics["tasks"].items()


def _intervals(details: str) -> Iterator[tuple[str, tuple[Score, Score]]]:
    try:
        evaluation = Evaluation.model_validate_json(details)
    except ValidationError:
        return  # of another version: the figures alone are shown
    yield MEAN, (evaluation.mean.trained, evaluation.mean.base)
    for group in evaluation.further:
        yield _mean_of(group.group), (group.mean.trained, group.mean.base)
    for group in evaluation.groups:
        for task in group.tasks:
            yield task.task, (task.trained, task.base)


def _mean_of(group: str) -> str:
    return f"{MEAN_OF}{group_name(group)}"


def _row(task: str, first: Revision, second: Revision) -> Row:
    measured = [{name for name in one.scores if not _is_mean(name)} for one in (first, second)]
    return Row(
        task=task,
        before=first.scores.get(task),
        after=second.scores.get(task),
        base_before=first.bases.get(task),
        base_after=second.bases.get(task),
        comparable=not _is_mean(task) or measured[0] == measured[1],
    )


def _is_mean(name: str) -> bool:
    return name.startswith((MEAN, MEAN_OF))


def _leaves(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _told(value: object) -> str:
    """Write a value as params.yaml would, whole numbers alike whether or not they have a point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
