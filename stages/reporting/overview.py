"""What the page derives from the findings: the funnel, the reasons, the effort, the machines."""

from collections.abc import Sequence
from dataclasses import dataclass

from stages.reporting.gathering import Findings
from stages.reporting.records import Curation, Machine, Timing
from stages.reporting.wording import counted, duration, percent, reason_in_words


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One line of a bar table; ``share`` (0 to 1) is the length of its bar."""

    name: str
    meaning: str
    count: int | None
    share: float


@dataclass(frozen=True, kw_only=True)
class Ran:
    """A machine and the stages whose last run was on it."""

    stages: tuple[str, ...]
    machine: Machine


def funnel(findings: Findings) -> tuple[Bar, ...]:
    """Follow the data from sentences to the triplets trained on; a count not found is None."""
    curation, training = findings.curation, findings.training
    written = findings.triplets
    if written is None and curation is not None:
        written = curation.generated
    steps = (
        ("Sentences", "read, without empty and repeated ones", findings.sentences),
        ("Triplets written", "by the language model, one a sentence", written),
        ("Triplets kept", "by curation", curation.kept if curation else None),
        ("Triplets trained on", "by the encoder", training.triplets if training else None),
    )
    most = max((count for _, _, count in steps if count), default=1)
    return tuple(
        Bar(name=name, meaning=meaning, count=count, share=(count or 0) / most)
        for name, meaning, count in steps
    )


def rejections(curation: Curation) -> tuple[Bar, ...]:
    """List the reasons that rejected any triplet, the most frequent first."""
    most = max(curation.reasons.values(), default=1) or 1
    by_count = sorted(curation.reasons.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Bar(name=reason, meaning=reason_in_words(reason), count=count, share=count / most)
        for reason, count in by_count
        if count
    )


def effort(findings: Findings) -> str:
    """Say in one line what the run took: sentences, triplets, time."""
    parts = []
    if findings.sentences is not None:
        parts.append(counted(findings.sentences, "sentence"))
    if findings.curation is not None:
        kept, generated = findings.curation.kept, findings.curation.generated
        share = f" ({percent(kept / generated)})" if generated else ""
        parts.append(f"{counted(generated, 'triplet')}, {kept:,} kept{share}")
    elif findings.triplets is not None:
        parts.append(counted(findings.triplets, "triplet"))
    if findings.timings:
        seconds = sum(timing.seconds for timing in findings.timings)
        parts.append(f"{duration(seconds)} for {counted(len(findings.timings), 'stage')}")
    return " · ".join(parts)


def machines(timings: Sequence[Timing]) -> tuple[Ran, ...]:
    """Group the stages by the machine they ran on, in the order of the pipeline."""
    groups: dict[Machine, list[str]] = {}
    for timing in timings:
        groups.setdefault(timing.machine, []).append(timing.stage)
    return tuple(Ran(stages=tuple(names), machine=machine) for machine, names in groups.items())


def versions(timings: Sequence[Timing]) -> tuple[tuple[str, str], ...]:
    """List every package with its version; all of them where stages ran under different ones."""
    found: dict[str, dict[str, list[str]]] = {}
    for timing in timings:
        for package, version in timing.versions.items():
            stages = found.setdefault(package, {}).setdefault(version or "not installed", [])
            stages.append(timing.stage)
    return tuple((package, _together(found[package])) for package in sorted(found))


def _together(stages_of: dict[str, list[str]]) -> str:
    if len(stages_of) == 1:
        return next(iter(stages_of))
    return ", ".join(f"{version} ({', '.join(stages)})" for version, stages in stages_of.items())
