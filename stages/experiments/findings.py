"""Does the paper's claim show? Answered from the figures, one sentence an expectation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import spearmanr
from scipy.stats import t as student

from stages.experiments.definitions import Above, AtLeast, BestAt, Column, Definition, Trend
from stages.experiments.tabulating import Measured

Verdict = Literal["shows", "contrary", "unclear"]
LEVEL = 0.95
BySeed = Mapping[int, float]


@dataclass(frozen=True)
class Finding:
    """What became of one expectation."""

    verdict: Verdict
    sentence: str


@dataclass(frozen=True)
class Difference:
    """One row minus another, seed by seed.

    Attributes:
        mean: Over the seeds both have.
        low: Lower bound of Student's 95 % interval; None for a single seed.
        high: Upper bound.
        seeds: How many both have.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def verdict(self) -> Verdict:
        """Whether the interval lies above zero; a single seed decides nothing."""
        if self.low is None or self.high is None:
            return "unclear"
        return "shows" if self.low > 0 else "contrary" if self.high < 0 else "unclear"


def difference(one: BySeed, other: BySeed | float) -> Difference | None:
    """Compare two rows on the seeds they share; None where they share none.

    Args:
        one: Figures by seed.
        other: The same of the other row, or the one figure of a row that has no seeds.
    """
    seeds = sorted(one if isinstance(other, float) else set(one) & set(other))
    if not seeds:
        return None
    gaps = np.array([one[s] - (other if isinstance(other, float) else other[s]) for s in seeds])
    mean = float(gaps.mean())
    if len(gaps) < 2:
        return Difference(mean, None, None, 1)
    half = student.ppf((1 + LEVEL) / 2, len(gaps) - 1) * gaps.std(ddof=1) / np.sqrt(len(gaps))
    return Difference(mean, float(mean - half), float(mean + half), len(gaps))


def findings(definition: Definition, measured: Sequence[Measured]) -> list[Finding]:
    """Return one finding for each expectation of ``definition`` that the figures can answer."""
    columns = {column.name: column for column in definition.columns}
    found = []
    for expectation in definition.expect:
        column = columns[expectation.column]
        match expectation:
            case Above():
                found += _above(expectation, column, definition.base_row, measured)
            case AtLeast():
                found += _at_least(expectation, column, measured)
            case BestAt():
                found += _best_at(expectation, column, measured)
            case Trend():
                found += _trend(expectation, column, measured)
    return found


def overall(found: Sequence[Finding]) -> str:
    """Sum up, in one sentence.

    >>> overall([Finding("shows", ""), Finding("unclear", "")])
    'The claim shows in 1 of 2 comparisons; 1 unclear.'
    """
    if not found:
        return "The figures are shown as they are; nothing was expected of them."
    counts = {kind: sum(one.verdict == kind for one in found) for kind in ("shows", "contrary")}
    if counts["shows"] == len(found):
        return "The claim shows here."
    if counts["contrary"] == len(found):
        return "The claim does not show here: the contrary does."
    unclear = len(found) - sum(counts.values())
    if unclear == len(found):
        return "The claim neither shows nor fails here: no difference is clear."
    parts = [f"{counts['contrary']} to the contrary"] if counts["contrary"] else []
    parts += [f"{unclear} unclear"] if unclear else []
    return f"The claim shows in {counts['shows']} of {len(found)} comparisons; {', '.join(parts)}."


def _by_seed(measured: Sequence[Measured], row: str, column: str) -> dict[int, float]:
    return {one.seed: one.figures[column] for one in measured if one.row == row}


def _above(
    expectation: Above, column: Column, base_row: str, measured: Sequence[Measured]
) -> list[Finding]:
    one = _by_seed(measured, expectation.row, column.name)
    found = []
    for name in expectation.than:
        other: BySeed | float = _by_seed(measured, name, column.name)
        if name == base_row:
            bases = [m.base[column.name] for m in measured if column.name in m.base]
            other = bases[0] if bases else {}
        gap = difference(one, other)
        if gap is not None:
            opening = f"{column.title}: {expectation.row} against {name}"
            found.append(Finding(gap.verdict, f"{opening}: {_told(gap, column)}"))
    return found


def _told(gap: Difference, column: Column) -> str:
    digits = column.digits
    mean = f"{gap.mean:+,.{digits}f}"
    if gap.low is None or gap.high is None:
        return f"{mean} with one seed, which tells nothing of chance."
    bounds = f"95 % between {gap.low:+,.{digits}f} and {gap.high:+,.{digits}f}"
    word = {"shows": "as claimed", "contrary": "contrary to the claim"}
    end = word.get(gap.verdict, "no clear difference")
    return f"{mean} ({bounds}, {gap.seeds} seeds): {end}."


def _at_least(expectation: AtLeast, column: Column, measured: Sequence[Measured]) -> list[Finding]:
    values = _by_seed(measured, expectation.row, column.name)
    gap = difference(values, expectation.value)
    if gap is None:
        return []
    mean = f"{np.mean(list(values.values())):,.{column.digits}f}"
    where = "at least" if gap.mean >= 0 else "below"
    sure = gap.verdict != "unclear"
    text = f"{column.title}: {expectation.row} has {mean}, {where} {expectation.value:g}"
    end = "." if sure else f", but not clearly with {gap.seeds} seed{'s'[: gap.seeds - 1]}."
    return [Finding(gap.verdict, text + end)]


def _along(measured: Sequence[Measured], axis: str, column: str) -> dict[float, dict[int, float]]:
    """Return the figures by place on a numeric axis and by seed; a mean where other axes vary."""
    gathered: dict[float, dict[int, list[float]]] = {}
    for one in measured:
        place = one.places.get(axis)
        if isinstance(place, int | float) and not isinstance(place, bool):
            gathered.setdefault(float(place), {}).setdefault(one.seed, []).append(
                one.figures[column]
            )
    return {
        place: {seed: float(np.mean(values)) for seed, values in by_seed.items()}
        for place, by_seed in sorted(gathered.items())
    }


def _best_at(expectation: BestAt, column: Column, measured: Sequence[Measured]) -> list[Finding]:
    along = _along(measured, expectation.axis, column.name)
    if expectation.at not in along or len(along) < 2:
        return []
    means = {place: float(np.mean(list(values.values()))) for place, values in along.items()}
    best = max(means, key=lambda place: means[place])
    name, digits = expectation.axis.rpartition(".")[2], column.digits
    opening = f"{column.title} is greatest at {name} {best:g} ({means[best]:,.{digits}f})"
    if best == expectation.at:
        second = max((place for place in means if place != best), key=lambda place: means[place])
        gap = difference(along[best], along[second])
        verdict: Verdict = "shows" if gap and gap.verdict == "shows" else "unclear"
        end = "" if verdict == "shows" else ", but not clearly"
        return [Finding(verdict, f"{opening}, where the paper has it{end}.")]
    gap = difference(along[best], along[expectation.at])
    verdict = "contrary" if gap and gap.verdict == "shows" else "unclear"
    end = "clearly above" if verdict == "contrary" else "not clearly above"
    at = f"{name} {expectation.at:g} ({means[expectation.at]:,.{digits}f})"
    return [Finding(verdict, f"{opening}, {end} the paper's {at}.")]


def _trend(expectation: Trend, column: Column, measured: Sequence[Measured]) -> list[Finding]:
    along = _along(measured, expectation.axis, column.name)
    if len(along) < 3:
        return []
    places = list(along)
    means = [float(np.mean(list(values.values()))) for values in along.values()]
    if not np.ptp(means) > 0:
        return [Finding("contrary", f"{column.title} is the same everywhere.")]
    rank = float(spearmanr(places, means).statistic)
    wanted = rank if expectation.direction == "rises" else -rank
    name, digits = expectation.axis.rpartition(".")[2], column.digits
    ends = f"from {means[0]:,.{digits}f} to {means[-1]:,.{digits}f}"
    # All in order, or nearly: with few places a weaker order is easily chance.
    verdict: Verdict = "shows" if wanted >= 0.9 else "contrary" if wanted <= -0.9 else "unclear"
    word = "rises" if rank > 0 else "falls"
    how = "steadily" if abs(rank) >= 0.9 else "not steadily"
    text = f"{column.title} {word} {how} with {name} ({ends}; rank correlation {rank:+.2f})"
    return [Finding(verdict, f"{text}; the paper: {expectation.direction}.")]
