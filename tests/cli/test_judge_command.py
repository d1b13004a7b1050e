"""judge: a judge against people's grades, on the scripted model."""

import json
from pathlib import Path

import polars as pl
import pytest
from scipy.stats import spearmanr

from stages.encoders.tiny import write_random_encoder
from stages.tables.schemas import PAIRS
from stages.tables.writing import write_table
from tests.cli.running import ROOT, Run

ROWS = [
    ("s", 5.0, "The cat sleeps on the mat.", "The cat sleeps on the mat."),
    ("s", 4.6, "The cat sleeps on the mat.", "The cat sleeps on the rug."),
    ("s", 2.0, "The cat sleeps on the mat.", "The dog barks on the mat."),
    ("s", 0.2, "The cat sleeps on the mat.", "Taxes rise every year."),
]


@pytest.fixture
def graded(project: Path) -> Path:
    """A project with the scripted model, a tiny encoder and four graded pairs."""
    for name in ("llm", "nli"):
        (project / "models" / name).mkdir(parents=True)
    note = '{"reference": "scripted:", "identity": "scripted:"}'
    (project / "models/llm/source.json").write_text(note)
    (project / "models/nli/source.json").write_text('{"reference": null, "identity": null}')
    write_random_encoder(project / "models/guide", seed=1)
    write_table(pl.DataFrame(ROWS, schema=dict(PAIRS), orient="row"), project / "pairs.parquet")
    lines = ["\t".join(map(str, row)) for row in [tuple(PAIRS), *ROWS]]
    (project / "pairs.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return project


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_tells_correlation_interval_and_both_ends(run: Run, graded: Path) -> None:
    ended = run("judge", "pairs.tsv", "--output", "scores.parquet")
    assert ended.code == 0
    lines = [cells(line) for line in ended.out.splitlines()]
    head, shown = (line for line in lines if line and line[0] in {"judge", "likelihood"})
    assert head == ["judge", "pairs", "unreadable", "Spearman", "95 %", "at 4.5-5", "at 0-0.5"]
    table = pl.read_parquet("scores.parquet")
    expected = spearmanr(table["likelihood_score"], table["score"]).statistic
    assert shown[:4] == ["likelihood", "4", "0", f"{expected:.3f}"]
    scores = table["likelihood_score"].to_list()
    assert shown[5:] == [f"{(scores[0] + scores[1]) / 2:.2f}", f"{scores[3]:.2f}"]


def test_tsv_and_parquet_hold_the_same_pairs(run: Run, graded: Path) -> None:
    assert run("judge", "pairs.tsv").out == run("judge", "pairs.parquet").out


def test_unreadable_answers_are_counted(run: Run, graded: Path) -> None:
    ended = run("judge", "pairs.tsv", "--judge", "generate")
    assert ended.code == 0
    shown = next(cells(line) for line in ended.out.splitlines() if line.startswith(" generate"))
    assert shown == ["generate", "4", "4", "-", "-", "-", "-"]


def test_several_judges_are_shown_alone_and_together(run: Run, graded: Path) -> None:
    both = ("--judge", "likelihood", "--judge", "encoder")
    ended = run("judge", "pairs.tsv", *both, "-o", "all.json")
    names = [line.split()[0] for line in ended.out.splitlines()[3:] if line.strip()]
    assert names == ["likelihood", "encoder", "min", "mean", "max"]
    saved = json.loads(Path("all.json").read_text(encoding="utf-8"))
    assert [figure["judge"] for figure in saved["figures"]] == names
    assert [record["judge"] for record in saved["judges"]] == ["likelihood", "encoder"]
    assert {"score", "likelihood_score", "encoder_score", "encoder_answer"} <= set(
        saved["pairs"][0]
    )


def test_the_table_fits_80_columns(run: Run, project: Path, graded: Path) -> None:
    lines = run("judge", "pairs.tsv", "--judge", "encoder").out.splitlines()
    assert max(map(len, lines)) <= 80
    assert len([line for line in lines if line.strip()]) == 3


def test_a_limit_draws_by_the_seed(run: Run, graded: Path) -> None:
    def drawn(seed: str) -> list[str]:
        run("judge", "pairs.tsv", "--limit", "2", "--seed", seed, "-o", "few.parquet")
        return pl.read_parquet("few.parquet")["sentence2"].to_list()

    assert drawn("3") == drawn("3")
    assert len({tuple(drawn(str(seed))) for seed in range(6)}) > 1


def test_where_the_scores_went_is_told(run: Run, graded: Path) -> None:
    ended = run("judge", "pairs.tsv", "-o", "scores.json")
    assert "judge: the scores of 4 pairs -> scores.json" in ended.err


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["pairs.tsv", "-o", "scores.csv"], "neither .parquet nor .json"),
        (["nowhere.tsv"], "nowhere.tsv"),
        (["pairs.tsv", "--judge", "jury"], "jury"),
        (["pairs.tsv", "--judge", "nli"], "params.yaml names no model"),
        (["pairs.tsv", "--llm", "models/none"], "multicsr fetch"),
    ],
)
def test_a_wrong_call_is_told_with_a_remedy(
    run: Run, graded: Path, arguments: list[str], cause: str
) -> None:
    ended = run("judge", *arguments)
    assert (ended.code, ended.out) == (2, "")
    assert cause in ended.err
    assert "remedy: " in ended.err


def test_the_starter_pairs_can_be_judged(run: Run, graded: Path) -> None:
    path = ROOT / "data/starter/benchmarks/dev.tsv"
    assert run("judge", str(path), "--limit", "8", "--batch", "3").code == 0
