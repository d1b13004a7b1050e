"""Good tables to plant faults in."""

from typing import Any

import polars as pl

from stages.tables.schemas import CURATED, REJECTED

NAMES = ["Ada", "Ben", "Chloe", "Dev", "Elif", "Farid", "Gwen", "Hugo", "Ines", "Jon"]


def row(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return one good scored triplet, with ``changes``."""
    name = NAMES[number % len(NAMES)]
    good = {
        "id": f"{number:016x}",
        "sample": 0,
        "premise": f"{name} repairs {number} bicycles a week.",
        "entailment": f"{name} fixes bikes, {number} each week.",
        "contradiction": f"{name} has never touched {number} tools.",
        "entailment_instruction": "same_meaning",
        "contradiction_instruction": "opposite_meaning",
        "entailment_finished": True,
        "contradiction_finished": True,
        "entailment_score": 4.0,
        "contradiction_score": 1.5,
        "entailment_answer": "0.5",
        "contradiction_answer": "0.2",
    }
    scored = good | changes
    each = {f"{side}_scores": [scored[f"{side}_score"]] for side in ("entailment", "contradiction")}
    return each | scored


def curated(count: int = 10, **changes: Any) -> pl.DataFrame:
    """Return ``count`` good rows; ``changes`` go into row 3."""
    rows = [row(i, **(changes if i == 3 else {})) for i in range(count)]
    return pl.DataFrame(rows, schema=CURATED)


def rejected(count: int = 5, **changes: Any) -> pl.DataFrame:
    """Return rows rejected for their gap; ``changes`` go into the first."""
    rows = [
        row(100 + i, entailment_score=2.0)
        | {"reason": "gap_too_small"}
        | (changes if i == 0 else {})
        for i in range(count)
    ]
    return pl.DataFrame(rows, schema=REJECTED)
