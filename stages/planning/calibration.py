"""A calibration: what a few real batches took here, kept in the work folder."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.engines.digests import fingerprint
from stages.engines.folders import MadeWith, used
from stages.equations.compute_costs import line_through
from stages.errors import PipelineError
from stages.planning.speed import BFLOAT16_BYTES, FLOAT32_BYTES, HALVES, Calibrated, Line
from stages.planning.texts import Corpus, Ratios
from stages.tables.json_files import read_json, write_json

FILE = "calibration.json"
STAGES = ("generate", "score", "train")
NOISE = 0.15
"""Share by which two runs of the same work may differ on a machine that does other things, too."""
OTHER_SETTINGS = 0.30
"""The same where the settings are not those that were timed: operations only tell so much."""
NOT_SPEED = {"seed"}


@dataclass(frozen=True)
class Timing:
    """One run of one stage.

    Attributes:
        items: Premises or triplets.
        flops: Operations, counted from the texts that were really read and written.
        seconds: Of the whole command.
        peak_mib: Main memory at its most.
    """

    items: int
    flops: float
    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Calibration:
    """What was timed, on what, with what.

    Attributes:
        machine: Processor, cores, memory, accelerator.
        models: Identities of llm, base and guide.
        settings: Of generate, score and train, by full key.
        ratios: What the sample's texts and answers were like.
        timings: Of each stage, the smaller run first.
        made: When.
    """

    machine: Mapping[str, Any]
    models: Mapping[str, str]
    settings: Mapping[str, object]
    ratios: Ratios
    timings: Mapping[str, Sequence[Timing]]
    made: str

    def line(self, stage: str) -> Line:
        """Return the line through the runs of ``stage``.

        Raises:
            PipelineError: When the greater run was no slower.
        """
        first, second = self.timings[stage]
        fixed, slope = line_through((first.flops, first.seconds), (second.flops, second.seconds))
        if slope <= 0:
            raise PipelineError(
                f"{second.items} items of {stage} took {second.seconds:.1f} s and {first.items} "
                f"{first.seconds:.1f} s: nothing follows from that.",
                remedy="calibrate again while the machine does nothing else: "
                "`multicsr plan --calibrate`.",
            )
        return Line(max(0.0, fixed), slope)

    def differing(self, settings: Mapping[str, object]) -> list[str]:
        """Return the keys of ``settings`` that have another value now."""
        return sorted(
            key
            for key, value in settings.items()
            if key.rpartition(".")[2] not in NOT_SPEED and self.settings.get(key) != value
        )

    def speed(self, settings: Mapping[str, object], corpus: Corpus) -> Calibrated:
        """Return how fast this machine is, and how far that can be trusted."""
        noise = OTHER_SETTINGS if self.differing(settings) else NOISE
        sampled = corpus.spread / math.sqrt(corpus.sampled) if corpus.sampled else 0.0
        halves = self.machine.get("bfloat16") and settings.get("generate.dtype") in HALVES
        return Calibrated(
            lines={stage: self.line(stage) for stage in STAGES},
            doubt=math.hypot(noise, sampled),
            number_bytes=BFLOAT16_BYTES if halves else FLOAT32_BYTES,
            memory=self.machine.get("device_bytes"),
        )


def new(
    machine: Mapping[str, Any],
    models: Mapping[str, str],
    settings: Mapping[str, object],
    *,
    ratios: Ratios,
    timings: Mapping[str, Sequence[Timing]],
) -> Calibration:
    """Return a calibration made now."""
    made = datetime.now(tz=UTC).isoformat(timespec="seconds")
    return Calibration(machine, models, settings, ratios, timings, made)


def folder_of(work: Path, machine: Mapping[str, Any], models: Mapping[str, str]) -> Path:
    """Return where the calibration of ``models`` on ``machine`` is kept below ``work``."""
    lasting = {key: machine.get(key) for key in ("processor", "cores", "accelerator")}
    return work / "plan" / fingerprint({"machine": lasting, "models": dict(models)})


def keep(calibration: Calibration, work: Path) -> Path:
    """Write ``calibration`` below ``work``, in the place of an earlier one; return its file."""
    folder = folder_of(work, calibration.machine, calibration.models)
    with used(folder, stage="plan", made_with=MadeWith(), models=dict(calibration.models)):
        write_json(asdict(calibration), folder / FILE)
    return folder / FILE


def kept(work: Path, machine: Mapping[str, Any], models: Mapping[str, str]) -> Calibration | None:
    """Return the calibration of ``models`` on ``machine``, None where there is none.

    Raises:
        PipelineError: When it cannot be read.
    """
    path = folder_of(work, machine, models) / FILE
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        timings = {stage: [Timing(**run) for run in values["timings"][stage]] for stage in STAGES}
        return Calibration(
            **{key: values[key] for key in ("machine", "models", "settings", "made")},
            ratios=Ratios(**values["ratios"]),
            timings=timings,
        )
    except (KeyError, TypeError) as error:
        raise PipelineError(
            f"{path} is no calibration of this version: {error}.",
            remedy="make it again: `multicsr plan --calibrate`.",
        ) from error
