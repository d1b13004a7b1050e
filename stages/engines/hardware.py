"""Which device and floating-point type a model computes in, here or where it will be computed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from stages.engines.digests import library_versions


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """What shapes the rounding of a model that computes there."""

    device: str
    """``cuda`` or ``cpu``."""
    bfloat16: bool
    """Whether it multiplies bfloat16 matrices in hardware."""
    threads: int
    """Of one process that computes; without meaning on a GPU."""
    libraries: Mapping[str, str]
    """Versions."""

    def resolved(self, dtype: str) -> str:
        """Return what ``auto`` means there, and any other ``dtype`` as it is.

        It is bfloat16 on a GPU that computes in it and on a processor with instructions for it
        (AVX-512 BF16 or AMX), else float32: where it is emulated it is slower and less exact.
        """
        if dtype != "auto":
            return dtype
        return "bfloat16" if self.bfloat16 else "float32"

    def surroundings(self) -> dict[str, object]:
        """Return what shapes the rounding, as JSON values.

        Device, versions of the libraries and, on a processor, the number of threads: they decide
        in which order products are summed up. (Of the float32 product of 4 x 576 and 576 x 576
        numbers, two threads instead of one change nine in ten in their last bits; a drawn token can
        hang on it.)
        """
        threads = {"threads": self.threads} if self.device == "cpu" else {}
        return {"device": self.device, **threads, **self.libraries}


def hardware_here(*, threads: int | None = None) -> Hardware:
    """Return what this process computes on, with as many threads as it has or as are asked for."""
    return Hardware(
        device=device(),
        bfloat16=has_bfloat16(),
        threads=threads or torch.get_num_threads(),
        libraries=library_versions(),
    )


@contextmanager
def computing_with(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads while the block runs; None leaves it as it is."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def resolve_dtype(dtype: str) -> torch.dtype:
    """Return the type that ``auto``, ``float32`` or ``bfloat16`` means on this machine.

    See :meth:`Hardware.resolved` for ``auto``.

    Raises:
        ValueError: When ``dtype`` is none of the three.
    """
    try:
        resolved = hardware_here().resolved(dtype) if dtype == "auto" else dtype
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[resolved]
    except KeyError as error:
        message = f"dtype {dtype!r} is not auto, float32 or bfloat16."
        raise ValueError(message) from error


def products_in(dtype: torch.dtype, on: torch.device) -> torch.autocast:
    """Return a context in which matrix products are of ``dtype``; weights stay what they are."""
    return torch.autocast(on.type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16)


def has_bfloat16() -> bool:
    """Say whether the device that would be used multiplies bfloat16 matrices in hardware."""
    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def device() -> str:
    """Return ``cuda`` where there is a GPU that torch can use, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def surroundings() -> dict[str, object]:
    """Return what shapes the rounding of a model that computes here, see :class:`Hardware`."""
    return hardware_here().surroundings()
