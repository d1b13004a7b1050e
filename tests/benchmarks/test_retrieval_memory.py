"""Whether searching a larger collection needs more memory."""

import json
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.conftest import Figure
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.benchmarks

FEW, MANY = 5_000, 50_000
QUERIES = 2_000
TASK = """
import sys
from pathlib import Path
import numpy as np
from stages.encoders.embedding import unit_rows
from stages.evaluation.kinds import retrieval
from stages.evaluation.tasks.loading import load_tasks

class Store:
    encoder, shard_sentences = Path("drawn"), 4096

    def vectors(self, sentences):
        rows = np.random.default_rng(len(sentences)).normal(size=(len(sentences), 384))
        return unit_rows(rows.astype(np.float32))

    def block(self, sentences, *, advance):
        advance(len(sentences))
        return self.vectors(sentences)

(task,) = load_tasks(Path(sys.argv[1]), [sys.argv[2]])
scores = retrieval.score(task.task.name, task.data, Store())
assert len(scores.values) == int(sys.argv[3])
"""


def test_memory_growth_of_retrieval(
    benchmark: BenchmarkFixture, figure: Figure, premises: list[str], tmp_path: Path
) -> None:
    """A process each for 5,000 and for 50,000 documents, with 2,000 queries.

    Vectors are drawn instead of encoded, 384 numbers each; documents are three sentences long, and
    a thousand of them are ranked for every query.
    """
    for count in (FEW, MANY):
        write_collection(tmp_path / f"beir/c{count}", premises, documents=count)
    peaks = benchmark.pedantic(  # type: ignore[no-untyped-call]
        lambda: [peak_mib(TASK, str(tmp_path), f"c{count}", str(QUERIES)) for count in (FEW, MANY)],
        rounds=1,
    )
    against = f"peak of {FEW:,} documents ({peaks[0]:,.0f} MiB) and of {MANY:,} ({peaks[1]:,.0f})"
    growth = peaks[1] - peaks[0]
    figure("evaluate.retrieval_rss_growth_mib", growth, unit="MiB", against=against, rounds=1)


def write_collection(folder: Path, premises: list[str], *, documents: int) -> None:
    """Write a collection in BEIR's layout, its queries from the same sentences."""

    def text(number: int) -> str:
        return f"{premises[number % len(premises)]} No. {number}."

    (folder / "qrels").mkdir(parents=True)
    rows = [
        {"_id": f"d{n}", "title": text(n), "text": f"{text(7 * n)} {text(11 * n)}"}
        for n in range(documents)
    ]
    asked = [{"_id": f"q{n}", "text": text(n)} for n in range(QUERIES)]
    for name, objects in (("corpus", rows), ("queries", asked)):
        lines = "".join(f"{json.dumps(each)}\n" for each in objects)
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    judged = "".join(f"q{n}\td{n}\t1\n" for n in range(QUERIES))
    (folder / "qrels/test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{judged}")
