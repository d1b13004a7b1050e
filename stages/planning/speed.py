"""How long work takes: on an accelerator by its data sheet, or here by a calibration run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from typing import Any, NamedTuple, Protocol

from stages.documents import load_yaml
from stages.equations.compute_costs import all_reduce_bytes, bound_seconds
from stages.errors import PipelineError
from stages.planning.workload import Work

UTILISATION = (0.45, 0.30, 0.15)
"""Of the peak of arithmetic: at best, expected, at worst. Assumed; a calibration replaces it."""
BANDWIDTH_REACHED = 0.6
"""Of the peak of memory."""
STEP_SECONDS_A_LAYER = (0.4e-3, 0.7e-3, 1.4e-3)
"""That a step takes at least: a layer's kernels are started one by one, from Python. Assumed."""
LOADING = (5.0, 15.0, 40.0)
"""Seconds until a stage's models are there. Assumed."""
TRAINING_STEP = 4
"""Forward, backward, optimiser and the sum over processes, in steps of the above."""
DEVICES_A_MACHINE = 8
NETWORK = 12.5e9
"""Bytes a second between machines: 100 Gbit/s."""
CLOCK = 2.3e9
PROCESSOR_BANDWIDTH = 4e10
"""Bytes a second between a processor and its memory, assumed."""
BFLOAT16_BYTES, FLOAT32_BYTES = 2, 4
HALVES = ("auto", "bfloat16")
"""Settings by which a language model computes in bfloat16 where there are instructions for it."""
HERE = "here"


class Seconds(NamedTuple):
    """At best, as expected, at worst."""

    low: float
    expected: float
    high: float

    def plus(self, other: "Seconds") -> "Seconds":
        """Return the sum, as if both were at their best, or worst, together."""
        return Seconds(*(a + b for a, b in zip(self, other, strict=True)))


class Speed(Protocol):
    """What tells the time of a stage."""

    @property
    def number_bytes(self) -> int:
        """Of the language model's numbers."""

    @property
    def memory(self) -> float | None:
        """Bytes of one device; None where nobody can say."""

    def seconds(self, stage: str, work: Work, *, devices: int, summed_bytes: float = 0) -> Seconds:
        """Return how long ``work`` takes.

        Args:
            stage: generate, score, guide or train.
            work: What is computed.
            devices: That share it.
            summed_bytes: Gradients that they add up in every step.
        """


@dataclass(frozen=True)
class Accelerator:
    """A device by its data sheet; units are operations and bytes, and those a second."""

    name: str
    flops: float
    training_flops: float
    memory: float
    bandwidth: float
    link: float
    number_bytes: int
    source: str

    def seconds(self, stage: str, work: Work, *, devices: int, summed_bytes: float = 0) -> Seconds:
        """Return the time at the assumed shares of the peaks."""
        peak = self.training_flops if stage in {"guide", "train"} else self.flops
        shared = (work.flops - work.repeated_flops) / devices + work.repeated_flops

        def at(utilisation: float, layer_seconds: float, loading: float) -> float:
            reached = peak * utilisation
            before = 0 if stage == "guide" or not work.flops else loading
            started = work.steps * work.layers * layer_seconds
            if summed_bytes:
                sent = work.steps * all_reduce_bytes(summed_bytes, processes=devices)
                return (
                    before + shared / reached + TRAINING_STEP * started + sent / self._link(devices)
                )
            written = bound_seconds(
                work.step_flops,
                work.step_bytes,
                flops_a_second=reached,
                bytes_a_second=self.bandwidth * BANDWIDTH_REACHED,
            )
            return before + shared / reached + max(written, started) / devices

        return Seconds(*map(at, UTILISATION, STEP_SECONDS_A_LAYER, LOADING))

    def _link(self, devices: int) -> float:
        return self.link if devices <= DEVICES_A_MACHINE else NETWORK


def accelerators() -> Mapping[str, Mapping[str, Any]]:
    """Return the accelerators that come with multicsr, by name."""
    folder = resources.files("stages.planning")
    values: dict[str, Mapping[str, Any]] = load_yaml(
        (folder / "accelerators.yaml").read_text(encoding="utf-8")
    )
    return values


def find_accelerator(name: str, *, dtype: str, training_dtype: str) -> Accelerator:
    """Return the accelerator ``name`` as it computes in the types of params.yaml.

    Args:
        name: Of :func:`accelerators`.
        dtype: Of the language model.
        training_dtype: Of training.

    Raises:
        PipelineError: When there is no such accelerator, or it is to compute in int8.
    """
    known = accelerators()
    if name not in known:
        raise PipelineError(
            f"--machine {name!r} is none whose figures are known here.",
            remedy=f"name one of {', '.join(known)}, or {HERE} (and calibrate).",
        )
    if dtype == "int8":
        raise PipelineError(
            f"generate.dtype = int8 is arithmetic of processors, and {name} is none.",
            remedy="plan it with --set generate.dtype=auto.",
        )
    sheet = known[name]
    peaks = {"float32": sheet["float32"], "bfloat16": sheet["bfloat16"]}
    peaks["auto"] = sheet["bfloat16"] or sheet["float32"]
    halves = sheet["bfloat16"] is not None and dtype in HALVES
    return Accelerator(
        name=sheet["name"],
        flops=1e12 * (peaks[dtype] or sheet["float32"]),
        training_flops=1e12 * (peaks[training_dtype] or sheet["float32"]),
        memory=1e9 * sheet["memory"],
        bandwidth=1e9 * sheet["bandwidth"],
        link=1e9 * sheet["link"],
        number_bytes=BFLOAT16_BYTES if halves else FLOAT32_BYTES,
        source=sheet["source"],
    )


def this_processor(
    cores: int, flags: Collection[str], *, memory: float, halves: bool
) -> Accelerator:
    """Return a processor that nobody has timed, by what its instructions could do.

    Two multiply-adds a cycle, of as many numbers as its registers hold, at CLOCK; that is assumed
    of all processors, and is right for some.

    Args:
        cores: That may be used.
        flags: Names of its instruction sets, as Linux tells them.
        memory: Bytes of main memory.
        halves: Whether the language model computes in bfloat16.
    """
    lanes = 16 if "avx512f" in flags else 8
    single = cores * CLOCK * 2 * 2 * lanes
    faster = (8 if "amx_bf16" in flags else 2) if halves else 1
    return Accelerator(
        name=f"this processor, {cores} cores",
        flops=single * faster,
        training_flops=single,
        memory=memory,
        bandwidth=PROCESSOR_BANDWIDTH,
        link=NETWORK,
        number_bytes=BFLOAT16_BYTES if halves else FLOAT32_BYTES,
        source=f"{lanes} numbers at once, twice a cycle, {CLOCK / 1e9:.1f} GHz assumed",
    )


@dataclass(frozen=True)
class Line:
    """Seconds of a stage here: a fixed part, and a part that grows with the operations."""

    fixed: float
    a_flop: float

    def at(self, flops: float) -> float:
        """Return the seconds of ``flops`` operations."""
        return self.fixed + self.a_flop * flops


@dataclass(frozen=True)
class Calibrated:
    """This machine, as it was timed.

    Attributes:
        lines: Of generate, score and train; the guide's operations are part of train's.
        doubt: Share by which a run may differ from what is expected.
        number_bytes: Of the language model's numbers.
        memory: Of the device, None on a processor.
    """

    lines: Mapping[str, Line]
    doubt: float
    number_bytes: int
    memory: float | None = None

    def seconds(self, stage: str, work: Work, *, devices: int, summed_bytes: float = 0) -> Seconds:
        """Return the time by the timed line; every device pays the fixed part for itself."""
        line = self.lines["train" if stage == "guide" else stage]
        line = replace(line, fixed=0) if stage == "guide" else line
        alone = work.repeated_flops
        found = line.at((work.all_flops - alone) / devices + alone)
        if summed_bytes and devices > 1:
            found += work.steps * all_reduce_bytes(summed_bytes, processes=devices) / NETWORK
        return Seconds(found * (1 - self.doubt), found, found * (1 + self.doubt))
