"""What a command runs on: processor, memory, accelerator and versions."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

REPORTED_PACKAGES = (
    "torch",
    "transformers",
    "sentence-transformers",
    "polars",
    "great_expectations",
    "dvc",
)
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def is_first_process() -> bool:
    """Say whether this is the process that speaks, of those that torch's launcher started."""
    return int(os.environ.get("WORLD_SIZE", "1")) == 1 or int(os.environ.get("RANK", "0")) == 0


def own_version() -> str:
    """Return the version of multicsr; when it runs without being installed, that of its source."""
    return package_version("multicsr") or _source_version() or "unknown"


def _source_version() -> str | None:
    import tomllib

    try:
        project = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
        return str(tomllib.loads(project)["project"]["version"])
    except (OSError, ValueError, KeyError):
        return None


def package_version(name: str) -> str | None:
    """Return the installed version of a package without importing it, None when it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def versions() -> dict[str, str]:
    """Return the versions a report should name; packages that are missing are left out."""
    found = {name: package_version(name) for name in REPORTED_PACKAGES}
    installed = {name: number for name, number in found.items() if number is not None}
    return {"multicsr": own_version(), **installed}


def describe_machine() -> dict[str, Any]:
    """Return processor, cores, memory_gib, accelerator, bfloat16, python and platform.

    The accelerator is looked for only when the command has loaded torch: a stage that has not
    did not use one.
    """
    torch = sys.modules.get("torch")
    accelerated = torch is not None and torch.cuda.is_available()
    return {
        "processor": processor_name(),
        "cores": core_count(),
        "memory_gib": round(total_memory() / 2**30, 1),
        "accelerator": torch.cuda.get_device_name() if torch and accelerated else None,
        "bfloat16": accelerated or bool(BFLOAT16_FLAGS & processor_flags()),
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
    }


def processor_name() -> str:
    """Return the model name of the processor, or its architecture where the system hides it."""
    name = _cpuinfo("model name")
    return name or platform.processor() or platform.machine()


def processor_flags() -> set[str]:
    """Return the instruction sets of the processor by the names Linux gives them."""
    return set(_cpuinfo("flags").split())


def core_count() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def total_memory() -> int:
    """Return the main memory in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def available_memory() -> int:
    """Return the bytes that can be had without swapping; all memory where nobody can say."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return total_memory()
    kibibytes = next((line.split()[1] for line in lines if line.startswith("MemAvailable")), None)
    return total_memory() if kibibytes is None else int(kibibytes) * 1024


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == key), "")
