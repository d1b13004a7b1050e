"""Whether searching a larger collection needs more memory."""

import json
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from stages.encoders.tiny import write_random_encoder
from tests.benchmarks.conftest import Figure
from tests.peak_memory import peak_mib

pytestmark = pytest.mark.benchmarks

FEW, MANY = 5_000, 50_000
QUERIES = 2_000
TASK = """
import sys
from pathlib import Path
from stages.evaluation.scoring import score_tasks
from stages.evaluation.tasks.loading import load_tasks

folder = Path(sys.argv[1])
tasks = load_tasks(folder, [sys.argv[2]])
scores = score_tasks(folder / "encoder", tasks, work=folder / "work", batch_sentences=64)
assert len(scores[sys.argv[2]].values) == int(sys.argv[3])
"""


def test_memory_growth_of_retrieval(
    benchmark: BenchmarkFixture, figure: Figure, premises: list[str], tmp_path: Path
) -> None:
    """A process each for 5,000 and for 50,000 documents, with 2,000 queries.

    The encoder is a tiny one, for it is the same in both; documents are three sentences long, and a
    thousand of them are ranked for every query.
    """
    write_random_encoder(tmp_path / "encoder", seed=1)
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
