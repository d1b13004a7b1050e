"""Stage prepare: a sentence file and graded pairs in, tables and a full account out."""

import logging
from pathlib import Path
from typing import Any

import pytest

from stages import prepare
from stages.errors import PipelineError
from stages.params import PrepareParams
from stages.tables.json_files import read_json
from stages.tables.reading import read_table
from stages.tables.schemas import LABELLED, PAIRS, SENTENCES

ROOT = Path(__file__).parents[2]
BENCHMARK = "subset\tscore\tsentence1\tsentence2\nx\t5\tOne.\tOne!\nx\t0\tOne.\tCats sleep.\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sentence file and two benchmarks, which is the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("corpus.txt").write_text("One.\n\n Two.\nOne.\nThis is far too long.\nThree.\n")
    Path("labelled.tsv").write_text("premise\tentailment\tcontradiction\n")
    Path("pairs").mkdir()
    for name in ("dev", "test"):
        Path(f"pairs/{name}.tsv").write_text(BENCHMARK)
    return tmp_path


def run(**changes: Any) -> None:
    """Run the stage in the working folder with some settings changed."""
    settings = {
        "sentences": "corpus.txt",
        "column": None,
        "where": None,
        "limit": None,
        "max_characters": 10,
        "labelled": "labelled.tsv",
        "benchmarks": "pairs",
    }
    prepare.run(
        PrepareParams.model_validate(settings | changes),
        tasks=("own",),
        sentences=Path("out/sentences.parquet"),
        labelled=Path("out/labelled.parquet"),
        metrics=Path("out/preparation.json"),
        benchmarks=Path("out/benchmarks"),
    )


def test_sentences_and_benchmarks_become_tables(project: Path) -> None:
    run()
    table = read_table(project / "out/sentences.parquet", SENTENCES)
    assert table.select("sentence", "line").rows() == [("One.", 1), ("Two.", 3), ("Three.", 6)]
    for name in ("dev", "test"):
        assert len(read_table(project / f"out/benchmarks/{name}.parquet", PAIRS)) == 2


def test_one_line_accounts_for_every_row(project: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        run()
    assert caplog.messages == [
        "prepare: corpus.txt: read 6 rows, 1 empty, 1 overlong (more than 10 characters), "
        "1 duplicate, 3 kept",
        "prepare: 2 benchmarks, 4 pairs (dev 2, test 2)",
    ]


def test_what_a_condition_leaves_out_is_told(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    run(where="sentence NOT LIKE '%o%'")
    assert "read 6 rows, 2 not chosen by prepare.where, 1 empty" in caplog.text
    table = read_table(project / "out/sentences.parquet", SENTENCES)
    assert table["sentence"].to_list() == ["One.", "Three."]


def test_with_a_limit_the_account_says_what_lies_beyond(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run(limit=2)
    assert caplog.messages[0].endswith("1 duplicate, 1 beyond the limit of 2, 2 kept")
    assert len(read_table(project / "out/sentences.parquet", SENTENCES)) == 2


def test_equal_input_gives_equal_bytes(project: Path) -> None:
    run()
    first = {path: path.read_bytes() for path in project.glob("out/**/*.parquet")}
    run()
    assert {path: path.read_bytes() for path in project.glob("out/**/*.parquet")} == first


def test_a_benchmark_taken_away_is_gone_after_the_next_run(project: Path) -> None:
    run()
    Path("pairs/test.tsv").unlink()
    run()
    assert [path.name for path in Path("out/benchmarks").iterdir()] == ["dev.parquet"]


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"sentences": "no.txt"}, "no.txt does not exist."),
        ({"column": "text"}, "corpus.txt is plain text and has no columns"),
        ({"benchmarks": "no"}, "no, the folder of benchmarks, does not exist or is no folder."),
        (
            {"max_characters": 3},
            "corpus.txt has no usable sentence: read 6 rows, 1 empty, "
            "5 overlong (more than 3 characters), 0 duplicate, 0 kept.",
        ),
    ],
)
def test_faulty_input_writes_nothing(project: Path, changes: dict[str, Any], cause: str) -> None:
    with pytest.raises(PipelineError) as error:
        run(**changes)
    assert error.value.cause.startswith(cause)
    assert error.value.exit_code == 2
    assert not list((project / "out").glob("**/*"))


def test_labelled_triplets_become_a_table_and_every_row_read_is_counted(project: Path) -> None:
    people = "premise\tentailment\tcontradiction\nA.\tB.\tC.\nA.\tB.\tC.\n"
    (project / "people.tsv").write_text(people)
    run(labelled="people.tsv")
    table = read_table(project / "out/labelled.parquet", LABELLED)
    assert table.select("premise", "entailment", "contradiction").rows() == [("A.", "B.", "C.")]
    counts = read_json(project / "out/preparation.json")
    assert counts["labelled"]["file"] == "people.tsv"
    assert (counts["labelled"]["duplicates"], counts["labelled"]["kept"]) == (1, 1)
    assert (counts["sentences"]["file"], counts["sentences"]["kept"]) == ("corpus.txt", 3)


def test_the_starters_labelled_file_is_off(project: Path) -> None:
    run(labelled=str(ROOT / "data/starter/labelled.tsv"))
    assert read_table(project / "out/labelled.parquet", LABELLED).is_empty()
