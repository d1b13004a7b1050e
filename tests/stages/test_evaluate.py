"""Stage ``evaluate`` from folders to figures, on tiny encoders."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import spearmanr

from stages import evaluate
from stages.encoders import vector_store
from stages.encoders.embedding import embed, load_encoder
from stages.encoders.tiny import write_random_encoder
from stages.errors import PipelineError
from stages.params import EvaluateParams
from stages.tables.schemas import PAIRS
from stages.tables.writing import write_table

PARAMS = EvaluateParams(
    tasks=("own",),
    batch_sentences=8,
    dtype="float32",
    bootstrap_samples=100,
    confidence=0.95,
    hardest_items=3,
    drawn_pairs=6,
    seed=1,
)
WORDS = ["ferry", "kettle", "orchard", "violin", "glacier", "ledger", "beetle", "parrot"]


def pairs(adjective: str, scores: list[float]) -> pl.DataFrame:
    rows = [
        ("all", score, f"The {word} is {adjective}.", f"A {word if score > 2 else 'desk'} moved.")
        for word, score in zip(WORDS, scores, strict=True)
    ]
    return pl.DataFrame(rows, schema=dict(PAIRS), orient="row")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write_random_encoder(tmp_path / "base", seed=1)
    write_random_encoder(tmp_path / "encoder", seed=2)
    scores = [float(number % 6) for number in range(len(WORDS))]
    for name, adjective in (("one", "red"), ("two", "late")):
        write_table(pairs(adjective, scores), tmp_path / f"benchmarks/{name}.parquet")
    return tmp_path


def run(project: Path, *, encoder: str = "encoder") -> tuple[dict[str, Any], dict[str, Any]]:
    evaluate.run(
        PARAMS,
        encoder=project / encoder,
        base=project / "base",
        benchmarks=project / "benchmarks",
        metrics=project / "metrics.json",
        details=project / "evaluation.json",
        worst=project / "hardest.json",
        drawings=project / "space",
        work=project / "work",
    )
    metrics, details = (
        json.loads((project / name).read_text()) for name in ("metrics.json", "evaluation.json")
    )
    return metrics, details


def test_figures_are_spearman_of_cosine_and_score(project: Path) -> None:
    metrics, details = run(project)
    table = pl.read_parquet(project / "benchmarks/two.parquet")
    left, right = (
        embed(load_encoder(project / "encoder"), table[side].to_list(), batch_sentences=4)
        for side in ("sentence1", "sentence2")
    )
    wanted = 100 * spearmanr((left * right).sum(axis=1), table["score"].to_numpy()).statistic
    assert metrics["tasks"]["two"]["trained"] == pytest.approx(wanted, abs=1e-3)
    assert [entry["task"] for entry in details["tasks"]] == ["one", "two"]
    assert details["tasks"][0]["pairs"] == 8


def test_the_mean_is_over_all_benchmarks(project: Path) -> None:
    metrics, _ = run(project)
    for name in ("base", "trained", "gain"):
        mean = sum(task[name] for task in metrics["tasks"].values()) / 2
        assert metrics["mean"][name] == pytest.approx(mean, abs=1e-4)


def test_details_hold_intervals_and_how_they_were_made(project: Path) -> None:
    _, details = run(project)
    assert (details["confidence"], details["bootstrap_samples"]) == (0.95, 100)
    for entry in [*details["tasks"], details["mean"]]:
        for name in ("base", "trained", "gain"):
            assert set(entry[name]) - {"p"} == {"spearman", "low", "high"}
            assert entry[name]["low"] <= entry[name]["high"]


def test_an_encoder_against_itself_gains_nothing(project: Path) -> None:
    _, details = run(project, encoder="base")
    assert details["mean"]["gain"] == {"spearman": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_a_second_run_writes_the_same_bytes(project: Path) -> None:
    run(project)
    first = (project / "evaluation.json").read_bytes()
    run(project)
    assert (project / "evaluation.json").read_bytes() == first


def test_a_sentence_is_encoded_once_however_often_it_occurs(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def noting(encoder: Any, sentences: list[str], **options: Any) -> Any:
        seen.extend(sentences)
        return embed(encoder, sentences, **options)

    monkeypatch.setattr(vector_store, "embed", noting)
    run(project, encoder="base")
    assert len(seen) == len(set(seen)) == 20  # of 32 in the files; both encoders are the same one


def test_what_is_drawn_is_left_for_each_task_and_for_dvc_plots(project: Path) -> None:
    run(project)
    drawn = json.loads((project / "space/space.json").read_text())["tasks"]
    assert [(task["task"], task["pairs"]) for task in drawn] == [("one", 8), ("two", 8)]
    assert [len(task["map"]["pairs"]) for task in drawn] == [6, 6]
    columns = pl.read_csv(project / "space/agreement.tsv", separator="\t").columns
    assert columns[:4] == ["task", "grade", "pairs", "base"]
    assert columns[-3:] == ["trained", "trained_low", "trained_high"]


def test_a_folder_without_benchmarks_is_refused(project: Path) -> None:
    for file in (project / "benchmarks").iterdir():
        file.unlink()
    with pytest.raises(PipelineError, match=r"benchmarks holds no benchmark of own(.|\n)*prepare"):
        run(project)


def test_a_benchmark_with_constant_scores_is_refused(project: Path) -> None:
    write_table(pairs("red", [2.0] * 8), project / "benchmarks/three.parquet")
    with pytest.raises(PipelineError, match=r"three\.parquet grades all 8 pairs 2"):
        run(project)


def test_nothing_is_written_when_an_encoder_is_missing(project: Path) -> None:
    with pytest.raises(PipelineError, match="nowhere is not a folder"):
        run(project, encoder="nowhere")
    assert not (project / "metrics.json").exists()
