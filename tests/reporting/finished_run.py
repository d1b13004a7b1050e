"""What a finished run leaves behind, made up: realistic numbers and everyday sentences, seeded."""

import json
import math
import random
from pathlib import Path
from typing import Any

import polars as pl

from stages.tables.schemas import CURATED, REJECTED, SENTENCES, TRIPLETS, Schema

TASKS = {
    "STS12": (72.37, 74.15, 3108),
    "STS13": (80.60, 81.98, 1500),
    "STS14": (75.61, 77.04, 3750),
    "dev": (86.73, 87.20, 200),
    "test": (77.15, 76.60, 200),
}
CLASSIFIED = {"MR": (76.1, 76.4), "TREC": (88.0, 89.2)}
SEARCHED = {"SciFact": (64.5, 63.9)}
REASONS = {
    "copies_premise": 41,
    "entailment_too_far": 113,
    "contradiction_too_near": 66,
    "gap_too_small": 24,
    "unfinished": 32,
    "prompt_leftover": 3,
    "score_unreadable": 1,
}
PREMISES = (
    "The ferry to the island leaves at seven in the morning.",
    "She repaired the old sewing machine in an afternoon.",
    "Nobody in the office knew the new password.",
    "Add the flour slowly and keep stirring until it thickens.",
    "Heavy rain closed the mountain road for two days.",
)
STAGES = {
    "fetch": (14.2, 190.0),
    "prepare": (0.7, 240.0),
    "generate": (412.8, 1720.4),
    "score": (188.1, 1690.0),
    "curate": (0.3, 260.0),
    "validate": (4.9, 610.0),
    "train": (301.5, 2380.9),
    "evaluate": (17.4, 890.0),
}


def write_finished_run(folder: Path) -> None:
    """Fill ``folder`` with the files that all stages before the report write."""
    dice = random.Random(7)
    data, reports = folder / "data", folder / "reports"
    kept = [triplet(dice, place) for place in range(220)]
    rejected = [
        {**triplet(dice, 220 + place), "reason": reason, **_without_score(reason)}
        for place, reason in enumerate(r for r, n in REASONS.items() for _ in range(n))
    ]
    rows = len(kept) + len(rejected)
    sentences = [{"id": f"{n:016x}", "sentence": "A sentence.", "line": n} for n in range(rows)]
    write_rows(data / "sentences.parquet", sentences, SENTENCES)
    write_rows(data / "triplets.parquet", [*kept, *rejected], TRIPLETS)
    write_rows(data / "curated.parquet", kept, CURATED)
    write_rows(data / "rejected.parquet", rejected, REJECTED)
    write(reports / "curation.json", _curation(len(kept), len(rejected)))
    write(reports / "quality.json", _quality(len(kept), len(rejected)))
    write(reports / "evaluation.json", evaluation())
    write(reports / "hardest.json", hardest())
    write(reports / "space" / "space.json", space())
    write_experiment(reports / "experiments" / "omega")
    _write_training(reports / "training", dice, triplets=len(kept))
    for stage, (seconds, peak_mib) in STAGES.items():
        write(reports / "timings" / f"{stage}.json", _timing(stage, seconds, peak_mib))


def write(path: Path, value: object) -> None:
    """Write JSON, making folders as needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_rows(path: Path, rows: list[dict[str, Any]], schema: Schema) -> None:
    """Write Parquet with the columns of ``schema``; other keys of the rows are left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    chosen = [{name: row[name] for name in schema} for row in rows]
    pl.DataFrame(chosen, schema=schema).write_parquet(path)


def triplet(dice: random.Random, place: int) -> dict[str, Any]:
    """Make up one scored triplet."""
    premise = dice.choice(PREMISES)
    a, b = (min(5.0, max(0.0, dice.gauss(*around))) for around in ((3.1, 0.8), (1.7, 0.7)))
    return {
        "id": f"{place:016x}",
        "sample": 0,
        "premise": premise,
        "entailment": f"In other words, {premise.lower()}",
        "contradiction": f"It is not true that {premise.lower()}",
        "entailment_instruction": "same",
        "contradiction_instruction": "opposite",
        "entailment_finished": True,
        "contradiction_finished": True,
        "entailment_score": a,
        "contradiction_score": b,
        "entailment_answer": "",
        "contradiction_answer": "",
        "entailment_scores": [a],
        "contradiction_scores": [b],
    }


def evaluation() -> dict[str, Any]:
    """Make up base against trained encoder on the benchmarks."""
    tasks: list[dict[str, Any]] = []
    for task, (base, trained, pairs) in TASKS.items():
        tasks.append({"task": task, "pairs": pairs, **comparison(base, trained, 40 / pairs**0.5)})
    base = sum(row["base"]["spearman"] for row in tasks) / len(tasks)
    trained = sum(row["trained"]["spearman"] for row in tasks) / len(tasks)
    mean = comparison(base, trained, 0.9)
    tasks[0]["subsets"] = [
        {"subset": subset, "pairs": 750, **comparison(70, 71.5, 2)}
        for subset in ("MSRpar", "OnWN", "SMT")
    ]
    tasks[0]["measures"] = {"uniformity": {"base": -2.31, "trained": -2.52}}
    further = [group("transfer", "accuracy", CLASSIFIED), group("retrieval", "ndcg@10", SEARCHED)]
    shown = {"tasks": tasks, "mean": mean, "further": further}
    return {"confidence": 0.95, "bootstrap_samples": 1000, **shown}


def group(name: str, metric: str, scores: dict[str, tuple[float, float]]) -> dict[str, Any]:
    """Make up a further group of tasks."""
    tasks = [
        {"task": task, "items": 300, **comparison(base, trained, 1.5, key="value")}
        for task, (base, trained) in scores.items()
    ]
    return {"group": name, "metric": metric, "tasks": tasks, "mean": comparison(80, 80.3, 1)}


def write_experiment(folder: Path, **changed: Any) -> None:
    """Fill ``folder`` with what an experiment leaves."""
    folder.mkdir(parents=True)
    record = {
        "title": "The weight of the noisy instruction",
        "claim": "omega = 0.3 is better than omega = 0.",
        "finding": "The same direction, within one deviation.",
        "seeds": [1, 2, 3],
        "command": "multicsr experiments run omega --scale starter",
    }
    write(folder / "record.json", record | changed)
    (folder / "table.tsv").write_text("omega\tmean\n0\t78.90 ± 0.11\n0.3\t79.10 ± 0.20\n")
    (folder / "plot.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" width="300" height="90">'
        '<path d="M10 80L150 40L290 20" stroke="#0069ad" fill="none"/></svg>'
    )


def space(**texts: str) -> dict[str, Any]:
    """Make up what is drawn of the vectors; the trained encoder pulls pairs of high grade closer.

    Args:
        texts: A text for each side of every pair, ``first`` and ``second``, and the ``task``.
    """
    dice = random.Random(11)
    pairs = [_drawn_pair(dice, number, texts) for number in range(60)]
    planes = {"base": {"share": 0.118, "own": False}, "trained": {"share": 0.104, "own": False}}
    tasks = [
        {"task": task, "pairs": count, "bands": _bands(moved), "map": {**planes, "pairs": pairs}}
        for task, count, moved in (
            (texts.get("task", "STS12"), 3108, 0.05),
            ("dev", 4000, 0.02),
            ("test", 200, 0.0),
        )
    ]
    return {"tasks": tasks}


def _bands(moved: float) -> list[dict[str, Any]]:
    spreads = {"p10": -0.24, "p25": -0.12, "p50": 0.0, "p75": 0.1, "p90": 0.18}
    return [
        {"low": low, "high": low + 1, "pairs": 40 * (1 + low)}
        | {
            name: {p: 0.2 + 0.14 * low + more * (low - 2) + by for p, by in spreads.items()}
            for name, more in (("base", 0.0), ("trained", moved))
        }
        for low in range(5)
    ]


def _drawn_pair(dice: random.Random, number: int, texts: dict[str, str]) -> dict[str, Any]:
    grade = 5 * number / 59
    x, y = dice.gauss(0, 0.25), dice.gauss(0, 0.2)
    apart = (5.2 - grade) * 0.08
    across, up = dice.gauss(0, apart), dice.gauss(0, apart)
    return {
        "item": number + 1,
        "texts": [texts.get("first", dice.choice(PREMISES)), texts.get("second", "Another one.")],
        "grade": grade,
        "base": {"cosine": 0.2 + 0.12 * grade, "ends": [x, y, x + across, y + up]},
        "trained": {"cosine": 0.15 + 0.15 * grade, "ends": [x, y, x + 0.8 * across, y + 0.8 * up]},
    }


def hardest() -> dict[str, Any]:
    """Make up the items with the greatest error, one task of each kind."""
    return {
        "tasks": [
            hard_task("STS12", "sts", None, ["The ferry leaves.", "No ferry leaves."]),
            hard_task("MR", "classification", 61, ["A quiet, honest film."]),
            hard_task("SciFact", "retrieval", 120, ["Cold water slows the growth."]),
            hard_task("Tatoeba", "bitext", 9, ["Aalis ang bangka."]),
        ]
    }


def hard_task(task: str, kind: str, faulty: int | None, texts: list[str]) -> dict[str, Any]:
    """Make up three items of a task."""
    items = [_hard_item(number, kind, texts) for number in (3, 17, 244)]
    return {
        "task": task,
        "kind": kind,
        "metric": "spearman" if kind == "sts" else "accuracy",
        "total": 300,
        "faulty": faulty,
        "items": items,
    }


def _hard_item(number: int, kind: str, texts: list[str]) -> dict[str, Any]:
    item = {"item": number, "texts": texts}
    if kind == "sts":
        both = {"base": {"value": 0.91, "rank": 88.2}, "trained": {"value": 0.93, "rank": 94.7}}
        return {**item, **both, "wanted": 0.4, "wanted_rank": 6.3, "subset": "OnWN"}
    wrong = {"value": 0.0, "answer": "negative"}
    return {**item, "base": wrong, "trained": wrong, "wanted": "positive"}


def comparison(
    base: float, trained: float, spread: float, *, key: str = "spearman"
) -> dict[str, dict[str, float]]:
    """Make up two scores and their gain; a paired gain's interval is narrower than theirs."""
    gain = trained - base
    return {
        "base": {key: base, "low": base - spread, "high": base + spread},
        "trained": {key: trained, "low": trained - spread, "high": trained + spread},
        "gain": {
            key: gain,
            "low": gain - 0.4 * spread,
            "high": gain + 0.4 * spread,
            "p": 0.002 if abs(gain) > 0.4 * spread else 0.31,
        },
    }


def _without_score(reason: str) -> dict[str, float | None]:
    judged = reason.endswith(("far", "near", "small"))
    return {} if judged else {"entailment_score": None, "contradiction_score": None}


def _curation(kept: int, rejected: int) -> dict[str, Any]:
    generated = kept + rejected
    return {
        "generated": generated,
        "kept": kept,
        "rejected": rejected,
        "kept_ratio": kept / generated,
        "reasons": REASONS,
    }


def _quality(kept: int, rejected: int) -> dict[str, Any]:
    return {
        "success": False,
        "critical_failures": 1,
        "warnings": 1,
        "checked": {"curated": kept, "rejected": rejected},
        "expectations": [
            expectation("expect_column_values_to_be_unique", "Every id occurs once.", success=True),
            expectation(
                "expect_column_values_to_be_between", "Scores lie between 0 and 5.", success=True
            ),
            expectation(
                "expect_column_value_lengths_to_be_between",
                "Generated sentences have at most 600 characters.",
                success=False,
                examples=[{"id": "00000000000000aa", "entailment": "Far too long. " * 60}],
            ),
            expectation(
                "expect_column_proportion_of_unique_values_to_be_between",
                "At most 5 % of the generated sentences repeat another row's.",
                success=False,
                severity="warning",
            ),
        ],
    }


def expectation(name: str, description: str, **rest: Any) -> dict[str, Any]:
    """Make up the outcome of one data check."""
    usual = {"table": "curated", "severity": "critical", "examples": [], "observed": 0.0713}
    unexpected = 0 if rest.get("success") else 3
    return {
        **usual,
        "expectation": name,
        "description": description,
        "unexpected": unexpected,
        **rest,
    }


def _write_training(folder: Path, dice: random.Random, *, triplets: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    steps = ["step\tepoch\tloss\tlearning_rate\tmasked_ratio"]
    for step in range(1, 61):
        loss = 0.35 + 0.6 * math.exp(-step / 12) + dice.gauss(0, 0.04)
        steps.append(f"{step}\t{step / 60:.4f}\t{loss:.6f}\t2e-05\t0.0113")
    (folder / "steps.tsv").write_text("\n".join(steps) + "\n", encoding="utf-8")
    dev = ["step\tspearman"]
    for step in range(0, 61, 5):
        dev.append(f"{step}\t{86.73 + 0.6 * math.sin(step / 28) + dice.gauss(0, 0.04):.4f}")
    (folder / "dev.tsv").write_text("\n".join(dev) + "\n", encoding="utf-8")
    summary = {"triplets": triplets, "steps": 60, "best_step": 45, "best_dev": 87.31}
    rest = {"base_dev": 86.73, "masked_ratio": 0.0113, "seconds": 296.2, "dtype": "bfloat16"}
    write(folder / "summary.json", summary | rest)


def _timing(stage: str, seconds: float, peak_mib: float) -> dict[str, Any]:
    return {
        "stage": stage,
        "seconds": seconds,
        "peak_mib": peak_mib,
        "finished": "2025-01-31T12:34:56+00:00",
        "machine": {
            "processor": "Example Processor 9000 @ 2.40GHz",
            "cores": 2,
            "memory_gib": 15.6,
            "accelerator": None,
            "bfloat16": True,
            "python": "3.11.9",
            "platform": "Linux-6.1-x86_64",
        },
        "versions": {"multicsr": "0.1.0", "torch": "2.13.0", "polars": "2.1.0"},
    }
