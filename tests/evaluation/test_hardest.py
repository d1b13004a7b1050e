"""Which sentences stand behind a low figure, on made-up encoders whose errors are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from stages.evaluation.hardest import MOST_CHARACTERS, hardest
from stages.evaluation.kinds.scores import TaskScores
from stages.evaluation.tasks.data import (
    AlignedLines,
    Collection,
    Data,
    GradedPairs,
    LabelledRows,
    LoadedTask,
)
from stages.evaluation.tasks.definitions import METRICS, Kind, Task

FILES: dict[Kind, dict[str, str]] = {
    "sts": {"pairs": "x"},
    "classification": {"sentences": "x"},
    "retrieval": {"corpus": "x", "queries": "x", "qrels": "x"},
    "bitext": {"left": "x", "right": "x"},
}


def found(
    kind: Kind, data: Data, base: TaskScores, trained: TaskScores, *, count: int = 9
) -> dict[str, Any]:
    folds = 2 if kind == "classification" else None
    task = Task(
        name="t", group="g", kind=kind, metric=METRICS[kind], files=FILES[kind], folds=folds
    )
    (entry,) = hardest([LoadedTask(task, data)], [{"t": base}, {"t": trained}], count=count)
    json.dumps(entry, allow_nan=False)
    return entry


def graded(cosines: list[float], grades: list[float]) -> TaskScores:
    return TaskScores(np.array(cosines), np.array(grades), ["s"] * len(grades))


def counted(values: list[float], answers: list[str]) -> TaskScores:
    return TaskScores(np.array(values), answers=answers)


GRADES = [0.0, 1.0, 2.0, 3.0, 5.0]
PAIRS = GradedPairs(
    pl.DataFrame(
        {
            "subset": ["s"] * 5,
            "score": GRADES,
            "sentence1": [f"left {n}" for n in range(5)],
            "sentence2": [f"right {n}" for n in range(5)],
        }
    )
)


def test_the_pair_whose_rank_is_furthest_off_comes_first() -> None:
    base = graded([0.1, 0.2, 0.3, 0.4, 0.5], GRADES)  # without a fault
    trained = graded([0.9, 0.2, 0.3, 0.4, 0.8], GRADES)  # holds the first pair for the most alike
    entry = found("sts", PAIRS, base, trained)
    first = entry["items"][0]
    assert (first["item"], first["texts"]) == (1, ["left 0", "right 0"])
    assert (first["wanted"], first["wanted_rank"]) == (0.0, 0.0)
    assert first["base"] == {"value": 0.1, "rank": 0.0}
    assert first["trained"] == {"value": 0.9, "rank": 100.0}
    off = [abs(item["trained"]["rank"] - item["wanted_rank"]) for item in entry["items"]]
    assert off == sorted(off, reverse=True)
    assert (entry["total"], entry["faulty"], len(off)) == (5, None, 5)


def test_no_more_items_are_kept_than_asked_for() -> None:
    same = graded([0.1, 0.3, 0.2, 0.4, 0.5], GRADES)
    assert len(found("sts", PAIRS, same, same, count=2)["items"]) == 2
    assert found("sts", PAIRS, same, same, count=0)["items"] == []


def test_rows_that_training_lost_come_before_those_that_both_get_wrong() -> None:
    table = pl.DataFrame({"label": list("aabb"), "sentence": ["one", "two", "three", "four"]})
    base = counted([1, 0, 1, 1], ["a", "b", "b", "b"])
    trained = counted([1, 0, 1, 0], ["a", "b", "b", "a"])
    entry = found("classification", LabelledRows({"sentences": table}), base, trained)
    assert entry["items"] == [
        {
            "item": 4,
            "texts": ["four"],
            "wanted": "b",
            "base": {"value": 1.0, "answer": "b"},
            "trained": {"value": 0.0, "answer": "a"},
        },
        {
            "item": 2,
            "texts": ["two"],
            "wanted": "a",
            "base": {"value": 0.0, "answer": "b"},
            "trained": {"value": 0.0, "answer": "b"},
        },
    ]
    assert (entry["total"], entry["faulty"]) == (4, 2)


def test_a_query_is_shown_with_the_text_of_the_document_on_top_and_of_the_right_one(
    tmp_path: Path,
) -> None:
    corpus = tmp_path / "corpus.jsonl"
    rows = [{"_id": "1", "title": "A", "text": "boat"}, {"_id": "2", "text": "z" * 5000}]
    corpus.write_text("\n".join(map(json.dumps, rows)))
    data = Collection(corpus, 2, {"q": "ferry", "r": "zzz"}, {"q": {"1": 2, "2": 1}, "r": {"2": 1}})
    base, trained = counted([0.5, 1], ["2", "2"]), counted([0.25, 1], ["2", "2"])
    (item,) = found("retrieval", data, base, trained)["items"]
    assert (item["texts"], item["wanted"]) == (["ferry"], "A boat")
    assert item["trained"]["value"] == 0.25
    assert item["trained"]["answer"] == "z" * MOST_CHARACTERS + "…"


def test_a_query_that_found_nothing_is_no_crash(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text(json.dumps({"_id": "1", "text": "boat"}))
    data = Collection(corpus, 1, {"1": "boat"}, {"1": {"1": 1}})
    (item,) = found("retrieval", data, counted([0], [""]), counted([0], [""]))["items"]
    assert (item["wanted"], item["trained"]["answer"]) == ("boat", "")


def test_lines_are_shown_with_their_partner_and_the_one_that_was_nearer() -> None:
    data = AlignedLines(["uno", "dos"], ["one", "two"])
    base, trained = counted([1, 1], ["one", "two"]), counted([1, 0.5], ["one", "one"])
    (item,) = found("bitext", data, base, trained)["items"]
    assert (item["texts"], item["wanted"]) == (["dos"], "two")
    assert (item["base"]["answer"], item["trained"]["answer"]) == ("two", "one")


@pytest.mark.parametrize("rows", [2, 50])
def test_equal_errors_keep_the_order_of_the_file(rows: int) -> None:
    table = pl.DataFrame({"label": ["a"] * rows, "sentence": [str(n) for n in range(rows)]})
    wrong = counted([0] * rows, ["b"] * rows)
    items = found("classification", LabelledRows({"sentences": table}), wrong, wrong)["items"]
    assert [item["item"] for item in items] == list(range(1, rows + 1))[:9]
