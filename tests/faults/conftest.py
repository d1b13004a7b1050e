"""How hard the fault injection tries, and where its figures go."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

REPORT = Path(__file__).parents[2] / "reports/reliability.json"
FULL = os.environ.get("FAULTS", "full") == "full"
"""`make faults` tries everything; with FAULTS=short it tries a little, and writes no figures."""
Figure = Callable[..., None]


def tries(full: int, *, short: int) -> int:
    """Return how often something is tried: in full, or in the short form."""
    return full if FULL else short


@pytest.fixture(scope="session")
def measured() -> Iterator[dict[str, object]]:
    """Figures of this run by key; those of keys not measured now stay in the file."""
    figures: dict[str, object] = {}
    yield figures
    if FULL and figures:
        _merge(figures)


@pytest.fixture
def figure(measured: dict[str, object]) -> Figure:
    """Record one figure of reports/reliability.json; one recorded before under `key` is replaced.

    Called as ``figure("corrupted_shards.detected", 1000, unit="shards", about="what was done")``.
    """

    def record(key: str, value: float, *, unit: str, about: str) -> None:
        measured[key] = {"value": value, "unit": unit, "about": about}

    return record


def _merge(figures: dict[str, object]) -> None:
    """Add to the file, which several processes of tests may do at once."""
    REPORT.parent.mkdir(exist_ok=True)
    with REPORT.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        old = json.loads(file.read() or "{}")
        file.seek(0)
        file.truncate()
        file.write(json.dumps(dict(sorted({**old, **figures}.items())), indent=2) + "\n")
