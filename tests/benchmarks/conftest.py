"""Collects the figures of a benchmark run into reports/benchmarks.json."""

import json
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest
import torch

REPORT = Path(__file__).parents[2] / "reports/benchmarks.json"
ROUNDS = int(os.environ.get("ROUNDS", "3"))
"""Times each side is measured, in turns; the medians count. Once is the quick form."""
Figure = Callable[..., None]


@pytest.fixture(scope="session")
def figures() -> Iterator[dict[str, object]]:
    """Figures of this run by key; those of keys not measured now stay in the file."""
    measured: dict[str, object] = {}
    yield measured
    old = json.loads(REPORT.read_text(encoding="utf-8")) if REPORT.is_file() else {}
    REPORT.parent.mkdir(exist_ok=True)
    text = json.dumps(dict(sorted({**old, **measured}.items())), indent=2)
    REPORT.write_text(text + "\n", encoding="utf-8")


@pytest.fixture
def figure(figures: dict[str, object]) -> Figure:
    """Record one figure."""

    def record(key: str, value: float, *, unit: str, against: str, rounds: int) -> None:
        figures[key] = {
            "value": round(value, 4),
            "unit": unit,
            "against": against,
            "rounds": rounds,
            "machine": machine(),
        }

    return record


def machine() -> dict[str, object]:
    """Return what decides the speed here."""
    features = torch.cpu.get_capabilities()
    wanted = ("avx2", "avx512_f", "avx512_bf16", "amx_bf16", "amx_int8")
    return {
        "platform": platform.platform(),
        "processor": features.get("cpu_name", platform.processor()),
        "cores": os.cpu_count(),
        "features": [name for name in wanted if features.get(name)],
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
    }


def sized(rows: int) -> int:
    """Return how many rows a side gets: half as many in the quick form."""
    return rows if ROUNDS > 1 else rows // 2


def ratio_of_medians(slow: list[float], fast: list[float]) -> float:
    """Return how many times longer ``slow`` took, by medians."""
    return median(slow) / median(fast)
