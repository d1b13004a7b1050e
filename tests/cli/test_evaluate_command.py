"""evaluate-encoder: the table, the JSON and what is said of missing data."""

import json
from pathlib import Path

import pytest

from stages.encoders.tiny import write_random_encoder
from stages.evaluation.tasks.hub import HubFiles
from tests.cli.running import Run

WORDS = ["ferry", "kettle", "orchard", "violin", "glacier", "ledger", "beetle", "parrot"]


@pytest.fixture
def measured(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two tiny encoders, graded pairs and aligned lines; no hub answers."""
    monkeypatch.setattr(HubFiles, "fetched", lambda *_: None)
    write_random_encoder(project / "one", seed=1)
    write_random_encoder(project / "two", seed=2)
    rows = [
        f"s{n % 2}\t{n % 6}\tThe {word} is old.\tA {word if n % 6 > 2 else 'desk'} fell."
        for n, word in enumerate(WORDS * 3)
    ]
    folder = project / "folder"
    (folder / "tagalog").mkdir(parents=True)
    text = "\n".join(["subset\tscore\tsentence1\tsentence2", *rows])
    (folder / "mine.tsv").write_text(text + "\n")
    for side in ("tgl", "eng"):
        (folder / f"tagalog/tatoeba.tgl-eng.{side}").write_text("\n".join(WORDS) + "\n")
    return project


def lines(out: str) -> list[list[str]]:
    return [[c.strip() for c in line.split("  ") if c.strip()] for line in out.splitlines()]


def test_one_encoder_has_its_figure_and_interval(run: Run, measured: Path) -> None:
    ended = run("evaluate-encoder", "one", "--benchmarks", "folder", "-o", "out.json")
    assert ended.code == 0
    table = lines(ended.out)
    assert ["graded pairs, spearman", "encoder", "95 %"] in table
    figure = json.loads(Path("out.json").read_text())["tasks"][0]["encoder"]
    bounds = f"{figure['low']:.2f} to {figure['high']:.2f}"
    assert ["mine", f"{figure['spearman']:.2f}", bounds] in table
    assert "evaluate-encoder: 1 tasks -> out.json" in ended.err


def test_against_another_the_gain_has_interval_and_p(run: Run, measured: Path) -> None:
    ended = run("evaluate-encoder", "one", "--against", "one", "--benchmarks", "folder")
    assert ["graded pairs, spearman", "against", "encoder", "gain", "95 %", "p"] in lines(ended.out)
    assert "+0.00 to +0.00" in ended.out
    assert max(map(len, ended.out.splitlines())) <= 80


def test_subsets_are_shown_when_asked_for(run: Run, measured: Path) -> None:
    shown = run("evaluate-encoder", "one", "--benchmarks", "folder", "--subsets").out
    hidden = run("evaluate-encoder", "one", "--benchmarks", "folder").out
    assert ("s0" in shown, "s0" in hidden) == (True, False)


def test_groups_have_their_own_tables_and_identical_lines_are_found(
    run: Run, measured: Path
) -> None:
    ended = run(
        *("evaluate-encoder", "two", "--benchmarks", "folder"),
        *("--task", "bitext", "--task", "own"),
    )
    assert ["tatoeba.tgl-eng", "100.00", "100.00 to 100.00"] in lines(ended.out)
    assert "graded pairs, spearman" in ended.out


def test_one_line_says_which_file_is_missing_and_the_others_run(run: Run, measured: Path) -> None:
    ended = run(
        *("evaluate-encoder", "one", "--benchmarks", "folder"),
        *("--task", "own", "--task", "MPQA", "--task", "STS15"),
    )
    assert ended.code == 0
    assert (
        "MPQA is left out, for it has no data: put transfer/MPQA.tsv (label, sentence) into folder"
        in ended.err
    )
    assert "or connect to the hub (mteb/sts15-sts)" in ended.err
    assert "mine" in ended.out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["one", "--task", "STS99"], "there is no task or group of tasks 'STS99', did you mean"),
        (["one", "--task", "MPQA"], "folder holds no benchmark of MPQA"),
        (["nowhere"], "nowhere is not a folder"),
        (["one", "-o", "out.csv"], "--output out.csv does not end in .json"),
    ],
)
def test_a_wrong_call_is_told_with_a_remedy(
    run: Run, measured: Path, arguments: list[str], cause: str
) -> None:
    ended = run("evaluate-encoder", *arguments, "--benchmarks", "folder")
    assert (ended.code, ended.out) == (2, "")
    assert cause in ended.err
    assert "remedy: " in ended.err
