"""Which device and floating-point type a model computes in here."""

import torch

from stages.engines.digests import library_versions


def resolve_dtype(dtype: str) -> torch.dtype:
    """Return the type that ``auto``, ``float32`` or ``bfloat16`` means on this machine.

    ``auto`` is bfloat16 on a GPU that computes in it and on a processor with instructions for it
    (AVX-512 BF16 or AMX), else float32: where it is emulated it is slower and less exact.

    Raises:
        ValueError: When ``dtype`` is none of the three.
    """
    if dtype == "auto":
        return torch.bfloat16 if has_bfloat16() else torch.float32
    try:
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[dtype]
    except KeyError as error:
        message = f"dtype {dtype!r} is not auto, float32 or bfloat16."
        raise ValueError(message) from error


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
    """Return what shapes the rounding of a model that computes here, as JSON values.

    Device, versions of the libraries and, on a processor, the number of threads: they decide in
    which order products are summed up.
    """
    where: dict[str, object] = {"device": device()}
    if device() == "cpu":
        where["threads"] = torch.get_num_threads()
    return where | library_versions()
