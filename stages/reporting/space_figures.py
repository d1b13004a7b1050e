"""The figures of the vectors themselves: cosines by grade, and the maps of both encoders."""

from collections.abc import Mapping, Sequence

from stages.reporting.charts.space import (
    ALIKE,
    UNLIKE,
    Box,
    band_name,
    box_around,
    cosines_by_grade,
    kind,
    pair_map,
)
from stages.reporting.charts.svg import render
from stages.reporting.figures import Figure
from stages.reporting.space_records import Maps, Spread, TaskSpace
from stages.reporting.wording import counted, number, plain

BANDS_PIXELS = 230
MAP_WIDTH = 510
"""A map holds no words, so that one drawing serves every screen."""
LEAST_HEIGHT, MOST_HEIGHT = 240, 460
PADDING = 5
"""What Vega leaves free at each side of a drawing."""


def bands_figure(task: TaskSpace, *, name: str, sizes: Mapping[str, int]) -> Figure | None:
    """Draw a task's cosines by grade; None where no band holds enough pairs.

    Args:
        task: The task.
        name: Id of the figure.
        sizes: Width in pixels by the place where a drawing is shown.
    """
    if not task.bands:
        return None
    summary = (
        f"Cosines of the pairs of {plain(task.task)} by grade, {len(task.bands)} bands: "
        + ", ".join(
            f"{band_name(band)}: median {number(band.base.p50)} in the base, "
            f"{number(band.trained.p50)} trained"
            for band in task.bands
        )
    )
    drawings = {
        place: render(
            cosines_by_grade(task.bands),
            label=summary,
            prefix=f"{name}-{place}-",
            width=width,
            height=BANDS_PIXELS,
        )
        for place, width in sizes.items()
    }
    return Figure(
        name=name,
        caption=f"{plain(task.task)}: a dot for the median, a thick bar for the middle half of the "
        "pairs, a thin one for 80 % of them",
        drawings=drawings,
        columns=("grade", "pairs", "base: median (middle half)", "trained: median (middle half)"),
        rows=tuple(
            (band_name(band), f"{band.pairs:,}", _written(band.base), _written(band.trained))
            for band in task.bands
        ),
    )


def map_figures(task: TaskSpace) -> tuple[Figure, ...]:
    """Draw the same pairs as base and trained encoder see them; empty without a map."""
    if task.map is None:
        return ()
    box = box_around(
        [end for pair in task.map.pairs for end in (pair.base.ends, pair.trained.ends)]
    )
    return tuple(
        Figure(
            name=f"map-{encoder}",
            caption=f"{encoder.capitalize()} encoder",
            drawings={
                "everywhere": render(
                    pair_map(task.map.pairs, encoder=encoder, box=box),
                    label=_in_words(task.map, encoder=encoder),
                    prefix=f"map-{encoder}-",
                    width=MAP_WIDTH,
                    height=_height(box),
                )
            },
            columns=(),
            rows=(),
        )
        for encoder in ("base", "trained")
    )


def _height(box: Box) -> int:
    """Keep both axes to one scale, as far as the height stays one that fits a screen."""
    left, right, low, high = box
    true = (MAP_WIDTH - 2 * PADDING) * (high - low) / (right - left)
    return round(min(max(true, LEAST_HEIGHT), MOST_HEIGHT))


def _in_words(drawn: Maps, *, encoder: str) -> str:
    """Say what the map shows: how long the lines are that join pairs of either kind."""
    alike, unlike = (
        [getattr(pair, encoder).ends for pair in drawn.pairs if kind(pair.grade) == one]
        for one in (ALIKE, UNLIKE)
    )
    return (
        f"Map of {counted(len(drawn.pairs), 'pair')} in the {encoder} encoder. Mean length of the "
        f"lines: {_mean_length(alike)} between sentences held for alike, {_mean_length(unlike)} "
        "between unlike ones. The table below holds sentences, grades and cosines."
    )


def _mean_length(ends: Sequence[Box]) -> str:
    if not ends:
        return "unknown"
    return number(sum(((a - c) ** 2 + (b - d) ** 2) ** 0.5 for a, b, c, d in ends) / len(ends))


def _written(spread: Spread) -> str:
    return f"{number(spread.p50)} ({number(spread.p25)} to {number(spread.p75)})"
