"""What encoders got on tasks, as the reports hold it: graded pairs first, then group by group."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stages.evaluation.comparison import BOTH, Resampling, Sample, compare
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.tasks.definitions import Task

Scores = Mapping[str, TaskScores]
LEAST_SUBSET = 10
"""Smaller parts of a benchmark have no figure of their own: it would be noise."""


def results(
    tasks: Sequence[Task],
    scores: Sequence[Scores],
    resampling: Resampling,
    *,
    names: Sequence[str] = BOTH,
) -> dict[str, Any]:
    """Return what reports/evaluation.json holds.

    Args:
        tasks: What was measured, in the order of the reports.
        scores: By task, for each encoder.
        resampling: How confidence intervals are made.
        names: What the encoders are called, in the order of ``scores``.

    Returns:
        ``confidence`` and ``bootstrap_samples``; ``tasks`` and ``mean`` of all graded pairs, their
        figures called ``spearman``; ``further``, a list with ``group``, ``metric``, ``tasks`` and
        ``mean`` for each other group of tasks, their figures called ``value``.
    """
    graded = [task for task in tasks if task.kind == "sts"]
    others = [task for task in tasks if task.kind != "sts"]
    table = _Table(scores, resampling, names)
    return {
        "confidence": resampling.confidence,
        "bootstrap_samples": resampling.samples,
        **table.part(graded, key="spearman", count="pairs"),
        "further": [
            {"group": group, "metric": members[0].metric}
            | table.part(members, key="value", count="items")
            for group in dict.fromkeys(task.group for task in others)
            for members in ([task for task in others if task.group == group],)
        ],
    }


def lean(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of :func:`results` without intervals: what reports/metrics.json holds."""
    parts = {"": details} | {part["group"]: part for part in details["further"]}
    tasks = {entry["task"]: _bare(entry) for part in parts.values() for entry in part["tasks"]}
    means = {group: _bare(part["mean"]) for group, part in parts.items() if part["tasks"]}
    of_pairs = {"mean": means.pop("")} if "" in means else {}
    return of_pairs | ({"means": means} if means else {}) | {"tasks": tasks}


def _bare(entry: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: figure["spearman"] if "spearman" in figure else figure["value"]
        for name, figure in entry.items()
        if isinstance(figure, dict) and "low" in figure
    }


class _Table:
    def __init__(
        self, scores: Sequence[Scores], resampling: Resampling, names: Sequence[str]
    ) -> None:
        self._scores = scores
        self._resampling = resampling
        self._names = names

    def part(self, tasks: Sequence[Task], *, key: str, count: str) -> dict[str, Any]:
        """Return ``tasks`` and ``mean`` of one group."""
        if not tasks:
            nothing = {key: None, "low": None, "high": None}
            return {"tasks": [], "mean": dict.fromkeys([*self._names, "gain"], nothing)}
        samples = {task.name: self._sample(task) for task in tasks}
        compared = compare(samples, self._resampling, names=self._names, key=key)
        entries = [
            {"task": task.name, count: len(samples[task.name].values[0])}
            | compared["tasks"][task.name]
            | self._subsets(task, samples[task.name])
            | self._measures(task)
            for task in tasks
        ]
        return {"tasks": entries, "mean": compared["mean"]}

    def _sample(self, task: Task) -> Sample:
        scores = [scores[task.name] for scores in self._scores]
        return Sample([one.values for one in scores], scores[0].grades)

    def _subsets(self, task: Task, sample: Sample) -> dict[str, Any]:
        """Return the figures of each part of a benchmark, where it has more than one."""
        subsets = np.array(self._scores[0][task.name].subsets, dtype=object)
        parts = {
            f"{task.name}/{subset}": sample.part(subsets == subset)
            for subset in dict.fromkeys(subsets.tolist())
        }
        parts = {
            name: part
            for name, part in parts.items()
            if len(part.values[0]) >= LEAST_SUBSET and part.can_be_ranked
        }
        if len(parts) < 2:
            return {}
        compared = compare(parts, self._resampling, names=self._names)
        figures = [
            {"subset": name.removeprefix(f"{task.name}/"), "pairs": len(parts[name].values[0])}
            | figure
            for name, figure in compared["tasks"].items()
        ]
        return {"subsets": figures}

    def _measures(self, task: Task) -> dict[str, Any]:
        """Return the further figures of each encoder, by measure."""
        of_encoders = [scores[task.name].measures for scores in self._scores]
        measures = {
            measure: {
                name: round(one[measure], 4)
                for name, one in zip(self._names, of_encoders, strict=True)
            }
            for measure in of_encoders[0]
        }
        return {"measures": measures} if measures else {}
