"""Which drawings of the vectors the page shows: all of one task, less of the others."""

from collections.abc import Mapping
from dataclasses import dataclass

from stages.reporting.evaluation_records import Evaluation
from stages.reporting.figures import BOTH_SIZES, SMALL_ONLY, Figure
from stages.reporting.space_figures import bands_figure, map_figures
from stages.reporting.space_records import Space, TaskSpace

MEASURES = {
    "alignment": "how far apart sentences of the same meaning lie",
    "uniformity": "how unevenly all sentences are spread",
}
MOST_OTHERS = 12
"""Further tasks that are drawn, so that the page stays small whatever was measured."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What the section on the vectors shows.

    Args:
        task: The task that is drawn whole; None where no graded pairs were measured.
        bands: Its cosines by grade.
        maps: Its pairs in both encoders.
        measures: Name, meaning and values by encoder of further measures of it.
        others: Cosines by grade of the other tasks.
    """

    task: TaskSpace | None
    bands: Figure | None
    maps: tuple[Figure, ...]
    measures: tuple[tuple[str, str, Mapping[str, float]], ...]
    others: tuple[Figure, ...]


def drawn_space(found: Space | None, evaluation: Evaluation | None, *, dev: str) -> Drawn | None:
    """Draw the largest task whole and the cosines of the others; None where nothing was left.

    Args:
        found: What stage ``evaluate`` left to be drawn.
        evaluation: The figures, for the measures beside the drawings.
        dev: Name of the task that chose the checkpoint, which is drawn whole only if it is alone.
    """
    if found is None:
        return None
    task = found.leading(dev=dev)
    if task is None:
        return Drawn(task=None, bands=None, maps=(), measures=(), others=())
    rest = [other for other in found.tasks if other is not task][:MOST_OTHERS]
    others = [
        bands_figure(other, name=f"bands{place}", sizes=SMALL_ONLY)
        for place, other in enumerate(rest, 1)
    ]
    return Drawn(
        task=task,
        bands=bands_figure(task, name="bands", sizes=BOTH_SIZES),
        maps=map_figures(task),
        measures=_measures(evaluation, task.task),
        others=tuple(figure for figure in others if figure is not None),
    )


def _measures(
    evaluation: Evaluation | None, task: str
) -> tuple[tuple[str, str, Mapping[str, float]], ...]:
    entries = evaluation.tasks if evaluation else []
    values = next((entry.measures for entry in entries if entry.task == task), {})
    return tuple((name, text, values[name]) for name, text in MEASURES.items() if name in values)
