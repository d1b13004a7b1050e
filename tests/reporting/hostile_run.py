"""A run whose every text tries to break the page."""

import json
import random
from pathlib import Path
from typing import Any

from stages.tables.schemas import CURATED, REJECTED
from tests.reporting.finished_run import (
    comparison,
    evaluation,
    expectation,
    group,
    hard_task,
    space,
    triplet,
    write,
    write_experiment,
    write_finished_run,
    write_rows,
)

SENTINEL = "planted"
SCRIPT = f"</style></svg></bdi><script>window.{SENTINEL} = true</script>"
ATTACKS = (
    SCRIPT,
    f'"><img src=x onerror="window.{SENTINEL} = true">',
    f"'\" onmouseover='window.{SENTINEL} = true' autofocus onfocus=window.{SENTINEL}=true x='",
    f"{{{{ ''.__class__ }}}} {{% raw %}} javascript:window.{SENTINEL}=true",
    "<iframe src='https://example.org/'></iframe><base href='https://example.org/'>",
    "<!-- <![CDATA[ ]]> --> &lt;script&gt; &#x3c;script&#x3e;",
    "\u202eright to left override never ended",
    "\u2067isolate never ended \u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "x" * 10_000,
    "a\x00b\x1b[31mc\x7f\x85d",
    "line one\nline two\n\n\nline three\ttab",
    "Zalgo" + "\u0301" * 200,
    "\U0001f600" * 400,
    "   ",
)


def write_hostile_run(folder: Path) -> None:
    """Fill ``folder`` with a finished run and put attacks into every text a page could show."""
    write_finished_run(folder)
    dice = random.Random(5)
    rows = [_attacking(triplet(dice, place), place) for place in range(len(ATTACKS))]
    reasons = [{**row, "reason": ATTACKS[n % 2]} for n, row in enumerate(rows)]
    write_rows(folder / "data" / "curated.parquet", rows[:10], CURATED)
    write_rows(folder / "data" / "rejected.parquet", reasons, REJECTED)
    write(folder / "reports" / "evaluation.json", _hostile_evaluation())
    write(folder / "reports" / "hardest.json", {"tasks": _hostile_errors()})
    write(folder / "reports" / "space" / "space.json", _hostile_space())
    _hostile_experiments(folder / "reports" / "experiments")
    write(folder / "reports" / "curation.json", _hostile_curation())
    write(folder / "reports" / "quality.json", {"expectations": _hostile_checks()})
    for path in (folder / "reports" / "timings").glob("*.json"):
        write(path, _hostile_timing(json.loads(path.read_text(encoding="utf-8"))))


def _attacking(row: dict[str, Any], place: int) -> dict[str, Any]:
    names = ("premise", "entailment", "contradiction", "entailment_answer")
    attacks = {name: ATTACKS[(place + n) % len(ATTACKS)] for n, name in enumerate(names)}
    return {**row, **attacks}


def _hostile_evaluation() -> dict[str, Any]:
    tasks = [
        {"task": attack, "pairs": 10, **comparison(70 + n, 71 + n, 1.0)}
        for n, attack in enumerate(ATTACKS)
    ]
    tasks[0]["subsets"] = [
        {"subset": attack, "pairs": 10, **comparison(70, 71, 1.0)} for attack in ATTACKS
    ]
    tasks[0]["measures"] = {attack: {"base": 1.0, "trained": 2.0} for attack in ATTACKS}
    further = [group(attack, attack, {attack: (1.0, 2.0)}) for attack in ATTACKS[:4]]
    return {**evaluation(), "tasks": tasks, "further": further}


def _hostile_errors() -> list[dict[str, Any]]:
    kinds = ("sts", "classification", "retrieval", "bitext")
    return [
        hard_task(attack, kinds[n % 4], 7, [attack, ATTACKS[n - 1]])
        for n, attack in enumerate(ATTACKS)
    ]


def _hostile_space() -> dict[str, Any]:
    drawn = space(task=SCRIPT)
    for place, attack in enumerate(ATTACKS):
        drawn["tasks"][0]["map"]["pairs"][place]["texts"] = [attack[:300], attack]
    drawn["tasks"] += [{**drawn["tasks"][1], "task": attack} for attack in ATTACKS]
    return drawn


def _hostile_experiments(folder: Path) -> None:
    for place, attack in enumerate(ATTACKS):
        words = dict.fromkeys(("title", "claim", "finding", "command", "machine"), attack)
        write_experiment(folder / f"x{place}", **words, seeds=[attack])
        cells = attack.replace("\t", " ").replace("\n", " ")
        (folder / f"x{place}" / "table.tsv").write_text(f"{cells}\tb\n{cells}\t{cells}\n")
    scripted = f"<svg xmlns='http://www.w3.org/2000/svg' onload='window.{SENTINEL}=1'>{{}}</svg>"
    image = "<image href='https://example.org/x.png'/>"
    (folder / "x0" / "plot.svg").write_text(scripted.format(image + "<script>alert(1)</script>"))
    (folder / "x1" / "plot.svg").write_text(f"<html><script>window.{SENTINEL} = 1</script></html>")
    (folder / "x2" / "table.tsv").write_bytes(b"\xff\xfe\x00broken")
    (folder / "x3" / "record.json").write_text("[" * 100_000)


def _hostile_curation() -> dict[str, Any]:
    reasons = {attack[:300]: 1 for attack in ATTACKS}
    return {"generated": 24, "kept": 10, "rejected": 14, "reasons": reasons}


def _hostile_checks() -> list[dict[str, Any]]:
    return [
        expectation(
            attack[:300],
            attack,
            table=attack[:40],
            success=n % 3 == 0,
            severity="critical" if n % 2 else "warning",
            examples=[{attack[:300]: attack, "nested": {"list": [attack]}}] * 5,
            observed=attack,
        )
        for n, attack in enumerate(ATTACKS)
    ]


def _hostile_timing(timing: dict[str, Any]) -> dict[str, Any]:
    texts = {"processor": SCRIPT, "accelerator": ATTACKS[1], "platform": ATTACKS[8][:800]}
    machine = timing["machine"] | texts
    return timing | {
        "finished": ATTACKS[2],
        "machine": machine,
        "versions": {ATTACKS[1]: SCRIPT, "torch": None},
    }
