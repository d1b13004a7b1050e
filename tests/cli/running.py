"""What the tests of the command line share."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]


class Ended(NamedTuple):
    """What a command left."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def seconds_to_stop() -> float:
    """Return how long a stopped command may take here: 5 s where processes need not queue."""
    return 5.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def triplet(
    number: int, *, a: float | None, b: float | None, premise: str = "It rains."
) -> dict[str, object]:
    """Return one row of CURATED."""
    return {
        "id": f"{number:016x}",
        "sample": 0,
        "premise": premise,
        "entailment": f"Water falls from the sky {number} times.",
        "contradiction": "The sun shines.",
        "entailment_instruction": "same_meaning",
        "contradiction_instruction": "opposite_meaning",
        "entailment_finished": True,
        "contradiction_finished": True,
        "entailment_score": a,
        "contradiction_score": b,
        "entailment_answer": "",
        "contradiction_answer": "",
        "entailment_scores": [a],
        "contradiction_scores": [b],
    }
