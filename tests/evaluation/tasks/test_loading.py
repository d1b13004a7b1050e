"""Which tasks a name stands for, where their files are looked for, and what faults are told."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from stages.errors import PipelineError
from stages.evaluation.kinds.bitext import searched
from stages.evaluation.tasks.data import AlignedLines, Collection, GradedPairs, LabelledRows
from stages.evaluation.tasks.definitions import Hub, chosen_tasks, known_tasks
from stages.evaluation.tasks.hub import HubFiles
from stages.evaluation.tasks.loading import load_tasks

PAIRS = "subset\tscore\tsentence1\tsentence2\nx\t5\tOne.\tOne!\nx\t0\tOne.\tCats sleep.\n"
LABELS = "label\tsentence\n" + "".join(f"{n % 2}\tSentence {n}.\n" for n in range(40))


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubFiles, "fetched", lambda *_: None)


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def names(folder: Path, *wanted: str) -> list[str]:
    return [task.name for task in chosen_tasks(folder, wanted)]


def test_the_field_s_tasks_are_declared_each_with_a_pinned_revision(tmp_path: Path) -> None:
    assert names(tmp_path, "sts") == [
        *("STS12", "STS13", "STS14", "STS15", "STS16", "STSB.test", "SICK-R.test"),
    ]
    assert names(tmp_path, "transfer") == ["MR", "CR", "SUBJ", "MPQA", "SST2", "TREC", "MRPC"]
    assert names(tmp_path, "retrieval", "bitext", "dev") == [
        *("SciFact", "tatoeba.tgl-eng", "STSB.dev"),
    ]
    by_name = {task.name: task for task in known_tasks(tmp_path)}
    assert by_name["MRPC"].inputs == "pair"
    assert all(by_name[name].hub is not None for name in names(tmp_path, "sts"))


def test_groups_names_and_files_of_one_s_own_may_be_mixed_each_once(tmp_path: Path) -> None:
    put(tmp_path / "mine.tsv", PAIRS)
    put(tmp_path / "sts/extra.tsv", PAIRS)
    put(tmp_path / "._mine.tsv", PAIRS)
    assert names(tmp_path, "own", "STS12", "sts")[:3] == ["mine", "STS12", "STS13"]
    assert names(tmp_path, "sts")[-1] == "extra"
    assert names(tmp_path, "mine", "own") == ["mine"]


def test_a_folder_may_declare_tasks(tmp_path: Path) -> None:
    declared = "group: ours\nkind: classification\ntasks:\n  mood:\n    files: {sentences: m.tsv}\n"
    put(tmp_path / "tasks.yaml", declared + "    folds: 4\n")
    put(tmp_path / "m.tsv", LABELS)
    (loaded,) = load_tasks(tmp_path, ["ours"])
    assert loaded.task.folds == 4
    assert isinstance(loaded.data, LabelledRows)
    assert len(list(loaded.sentences())) == 40


@pytest.mark.parametrize(
    ("declared", "cause"),
    [
        ("group: [", "is not YAML"),
        ("group: a\nkind: essay\n", "kind: Input should be"),
        ("group: a\nkind: sts\ntasks:\n  b: {files: {left: x}}\n", "has the files pairs"),
        (
            "group: a\nkind: classification\ntasks:\n  b: {files: {sentences: x}}\n",
            "needs either a dev file or folds",
        ),
        ("group: a\nkind: sts\ntasks:\n  STS12: {files: {pairs: x}}\n", "two tasks are called"),
        ("group: a\nkind: bitext\ndiscover: '*'\n", "cannot be discovered"),
    ],
)
def test_a_faulty_declaration_is_told(tmp_path: Path, declared: str, cause: str) -> None:
    put(tmp_path / "tasks.yaml", declared)
    with pytest.raises(PipelineError, match=cause):
        load_tasks(tmp_path, ["own"])


def test_missing_data_is_one_line_and_the_others_are_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path / "transfer/MR.tsv", LABELS)
    put(tmp_path / "transfer/MRPC.train.tsv", "label\tsentence1\tsentence2\n")
    assert [one.task.name for one in load_tasks(tmp_path, ["MR", "MRPC", "SUBJ"])] == ["MR"]
    mrpc, subj = caplog.messages
    assert "put transfer/MRPC.test.tsv (label, sentence1, sentence2) into" in mrpc
    assert "transfer/SUBJ.tsv (label, sentence)" in subj
    assert subj.endswith("or connect to the hub (SetFit/subj)")


def test_what_the_hub_has_is_read_by_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"text": f"Sentence {n}.", "label": n % 2, "label_text": "x"} for n in range(40)]
    for part in ("train", "test"):
        with gzip.open(tmp_path / f"{part}.jsonl.gz", "wt") as file:
            file.write("\n".join(map(json.dumps, rows)))
    pairs = tmp_path / "test.jsonl"
    pairs.write_text(
        "\n".join(
            json.dumps({"sentence1": "One.", "sentence2": "Two.", "score": score})
            for score in (1.5, 4)
        )
    )

    def fetched(_: HubFiles, hub: Hub) -> dict[str, list[Path]]:
        if "sentences" in hub.files:
            return {"sentences": [tmp_path / f"{p}.jsonl.gz" for p in ("train", "test")]}
        return {"pairs": [pairs]}

    monkeypatch.setattr(HubFiles, "fetched", fetched)
    subj, sts15 = load_tasks(tmp_path / "empty", ["SUBJ", "STS15"])
    assert list(subj.sentences())[:2] == ["Sentence 0.", "Sentence 1."]
    assert len(list(subj.sentences())) == 80
    assert isinstance(sts15.data, GradedPairs)
    assert sts15.data.table["score"].to_list() == [1.5, 4.0]


def test_lines_and_collections_are_read(tmp_path: Path) -> None:
    put(tmp_path / "tagalog/tatoeba.tgl-eng.tgl", "Isa.\nDalawa.\n")
    put(tmp_path / "tagalog/tatoeba.tgl-eng.eng", "One.\nTwo.\n")
    put(tmp_path / "beir/scifact/corpus.jsonl", '{"_id": "d", "text": "A."}\n')
    put(tmp_path / "beir/scifact/queries.jsonl", '{"_id": "q", "text": "B?"}\n')
    put(tmp_path / "beir/scifact/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq\td\t2\n")
    lines, collection = load_tasks(tmp_path, ["bitext", "retrieval"])
    assert lines.data == AlignedLines(["Isa.", "Dalawa."], ["One.", "Two."])
    assert isinstance(collection.data, Collection)
    assert collection.data.documents == 1
    assert collection.data.relevant == {"q": {"d": 2}}


@pytest.mark.parametrize(
    ("files", "task", "cause"),
    [
        ({"transfer/MR.tsv": "label\ttext\n1\tx\n"}, "MR", "has no column sentence; it has: label"),
        ({"transfer/MR.tsv": "label\tsentence\n1\tx\n0\ty\n"}, "MR", "each on 10 rows at least"),
        (
            {"tagalog/tatoeba.tgl-eng.tgl": "a\nb\n", "tagalog/tatoeba.tgl-eng.eng": "a\n"},
            "bitext",
            "has 2 lines and .* 1; line i",
        ),
        (
            {
                "transfer/TREC.train.tsv": LABELS,
                "transfer/TREC.test.tsv": "label\tsentence\n7\tNew.\n",
            },
            "TREC",
            "test set has the label '7', which is never trained on",
        ),
        (
            {
                "beir/scifact/corpus.jsonl": "{}\n",
                "beir/scifact/queries.jsonl": '{"_id": "q", "text": "B?"}\n',
                "beir/scifact/qrels/test.tsv": "query-id\tcorpus-id\tscore\nq\td\t1\n",
            },
            "SciFact",
            r"corpus.jsonl, line 1 has no _id",
        ),
        ({"sts/STS12.tsv": PAIRS + "x\t9\ta\tb\n"}, "STS12", "STS12.tsv, line 4: score '9'"),
        ({}, "STS12x", "there is no task or group of tasks 'STS12x', did you mean STS12"),
        ({}, "own", "holds no benchmark of own"),
    ],
)
def test_a_fault_is_told_with_file_and_place(
    tmp_path: Path, files: dict[str, str], task: str, cause: str
) -> None:
    for name, text in files.items():
        put(tmp_path / name, text)
    with pytest.raises(PipelineError, match=cause):
        load_tasks(tmp_path, [task])


def test_a_translation_counts_when_no_other_line_is_nearer() -> None:
    import numpy as np

    candidates = np.eye(4, dtype=np.float32)
    queries: Any = candidates[[0, 1, 3, 3]]
    hits, nearest = searched(queries, candidates)
    assert hits.tolist() == [1.0, 1.0, 0.0, 1.0]
    assert nearest.tolist() == [0, 1, 3, 3]
    assert searched(candidates[[0, 0]], candidates[[0, 0]])[0].tolist() == [1.0, 1.0]
