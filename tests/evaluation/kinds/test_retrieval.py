"""Exact search in blocks against sorting everything, and trec_eval's measures by hand."""

import json
from pathlib import Path

import numpy as np
import pytest

from stages.encoders.embedding import Vectors, embed, load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.encoders.vector_store import VectorStore
from stages.evaluation.kinds import retrieval
from stages.evaluation.kinds.retrieval import measured, score, search
from stages.evaluation.tasks.definitions import chosen_tasks
from stages.evaluation.tasks.loading import load_tasks


def on_sphere(rows: int, seed: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(rows, 8)).astype(np.float32)
    unit: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return unit


@pytest.mark.parametrize("block", [1, 7, 50, 200])
def test_search_in_blocks_finds_what_sorting_everything_finds(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "QUERIES_AT_ONCE", 2)
    monkeypatch.setattr(retrieval, "NAMES_AT_LEAST", 0)
    queries, documents = on_sphere(5, 1), on_sphere(50, 2)
    names = [f"d{number}" for number in range(50)]
    blocks = [
        (names[start : start + block], documents[start : start + block])
        for start in range(0, 50, block)
    ]
    hits = list(search(queries, blocks, depth=10))
    cosines = queries @ documents.T
    for row, found in zip(cosines, hits, strict=True):
        assert set(found) == {names[number] for number in np.argsort(-row)[:10]}
        for name, cosine in found.items():
            assert cosine == pytest.approx(row[names.index(name)], abs=1e-6)


def test_a_corpus_smaller_than_the_depth_is_ranked_whole() -> None:
    (found,) = search(on_sphere(1, 3), [(["a", "b", "c"], on_sphere(3, 4))], depth=10)
    assert set(found) == {"a", "b", "c"}


@pytest.mark.parametrize("at_once", [1, 256])
def test_measures_are_those_one_computes_by_hand(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retrieval, "QUERIES_AT_ONCE", at_once)
    run = {"q": {"a": 0.9, "b": 0.8, "c": 0.7}, "r": {"a": 0.1, "c": 0.3}}
    scores = measured(run.items(), {"q": {"b": 1, "c": 1}, "r": {"c": 1, "z": 0}})
    ideal = 1 + 1 / np.log2(3)
    np.testing.assert_allclose(
        scores.values, [(1 / np.log2(3) + 1 / np.log2(4)) / ideal, 1.0], atol=1e-6
    )
    assert scores.answers == ["a", "c"]
    assert scores.measures["recall@100"] == pytest.approx(100)
    assert scores.measures["map"] == pytest.approx(100 * ((1 / 2 + 2 / 3) / 2 + 1) / 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "beir/boats"
    (place / "qrels").mkdir(parents=True)
    documents = [
        {"_id": "1", "title": "Ferry", "text": "The old ferry left at noon."},
        {"_id": "2", "title": "", "text": "Taxes rise every year."},
        {"_id": 3, "text": "A violin was sold."},
        {"_id": "q1", "title": "The old ferry", "text": "left at noon"},
    ]
    queries = [{"_id": "q1", "text": "The old ferry left at noon"}, {"_id": "q2", "text": "x"}]
    for name, rows in (("corpus", documents), ("queries", queries)):
        (place / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (place / "qrels/test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\t1\t1\n")
    return tmp_path


def test_a_beir_set_is_a_task_by_its_folder_and_title_and_text_are_encoded(folder: Path) -> None:
    write_random_encoder(folder / "encoder", seed=1)
    store = VectorStore(folder / "encoder", work=folder / "work", batch_sentences=2)
    (task,) = (t for t in chosen_tasks(folder, ["retrieval"]) if t.name == "boats")
    (loaded,) = load_tasks(folder, [task.name])
    scores = score(task.name, loaded.data, store)  # type: ignore[arg-type]
    assert len(scores.values) == 1  # the query nobody judged is not asked
    model = load_encoder(folder / "encoder")
    texts = ["Ferry The old ferry left at noon.", "Taxes rise every year.", "A violin was sold."]
    query, *documents = embed(model, ["The old ferry left at noon", *texts], batch_sentences=4)
    rank = 1 + sum(query @ d > query @ documents[0] for d in documents[1:])
    # The document that is the query itself ("q1") is left out.
    assert scores.values[0] == pytest.approx(1 / np.log2(1 + rank), abs=1e-6)
