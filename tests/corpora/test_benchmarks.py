"""Benchmarks are read as they are, or refused with file and line; old ones vanish."""

from pathlib import Path

import polars as pl
import pytest

from stages.corpora.benchmarks import read_benchmarks, read_pairs, write_benchmarks
from stages.errors import PipelineError
from stages.tables.reading import read_table
from stages.tables.schemas import PAIRS

HEADER = "subset\tscore\tsentence1\tsentence2\n"
PAIR_LINES = 'news\t5\tIt rains.\tIt is raining.\nnews\t0.25\t"So he left.\tNo  one came.\n'


def written(path: Path, text: str) -> Path:
    """Write text as UTF-8 and return the path."""
    path.write_text(text, encoding="utf-8")
    return path


def test_sentences_and_scores_stay_as_they_are_written(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path / "dev.tsv", HEADER + PAIR_LINES))
    assert pairs.schema == pl.Schema(PAIRS)
    assert pairs.rows() == [
        ("news", 5.0, "It rains.", "It is raining."),
        ("news", 0.25, '"So he left.', "No  one came."),
    ]


def test_windows_files_extra_columns_any_order_and_blank_lines_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "dev.tsv"
    path.write_bytes(
        b"\xef\xbb\xbfsentence1\tsentence2\tscore\tby\tsubset\r\n"
        b"It rains.\tIt is raining.\t 5 \tAnn\t\r\n\r\nIt rains.\tCats sleep.\t0\tAnn\tx\r\n\r\n"
    )
    assert read_pairs(path).rows() == [
        ("", 5.0, "It rains.", "It is raining."),
        ("x", 0.0, "It rains.", "Cats sleep."),
    ]


def test_every_tsv_file_of_the_folder_is_a_benchmark_by_its_name(tmp_path: Path) -> None:
    for name in ("STSB.dev.tsv", "STS12.tsv", "._STS12.tsv", "README.md"):
        written(tmp_path / name, HEADER + PAIR_LINES)
    (tmp_path / "old").mkdir()
    assert list(read_benchmarks(tmp_path)) == ["STS12", "STSB.dev"]


def test_what_an_earlier_run_wrote_vanishes_and_other_files_stay(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path / "dev.tsv", HEADER + PAIR_LINES))
    folder = tmp_path / "tables"
    write_benchmarks({"dev": pairs, "STS.old": pairs}, folder)
    written(folder / "notes.txt", "mine")
    write_benchmarks({"dev": pairs.head(1), "new": pairs}, folder)
    assert sorted(path.name for path in folder.iterdir()) == [
        "dev.parquet",
        "new.parquet",
        "notes.txt",
    ]
    assert read_table(folder / "dev.parquet", PAIRS).equals(pairs.head(1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "dev.tsv is empty (0 bytes)."),
        (HEADER, "dev.tsv holds no pairs."),
        (HEADER + "\n\n", "dev.tsv holds no pairs."),
        (
            "score\tsentence1\ttext2\n1\ta\tb\n",
            "dev.tsv has no column subset, sentence2; it has: score, sentence1, text2.\n"
            "  remedy: name the columns subset, score, sentence1, sentence2 in the first line",
        ),
        (
            HEADER + PAIR_LINES + "\nx\t4,5\ta\tb\n",
            "dev.tsv, line 5: score '4,5' is no number from 0 to 5.\n  remedy: mend the score;",
        ),
        (HEADER + "x\t5.01\ta\tb\n", "dev.tsv, line 2: score '5.01' is no number from 0 to 5."),
        (HEADER + "x\t-1\ta\tb\n", "dev.tsv, line 2: score '-1' is no number from 0 to 5."),
        (HEADER + "x\tnan\ta\tb\n", "dev.tsv, line 2: score 'nan' is no number from 0 to 5."),
        (HEADER + "x\tinf\ta\tb\n", "dev.tsv, line 2: score 'inf' is no number from 0 to 5."),
        (HEADER + "x\t\ta\tb\n", "dev.tsv, line 2: score '' is no number from 0 to 5."),
        (HEADER + PAIR_LINES + "x\t1\t \tb\n", "dev.tsv, line 4: sentence1 is blank."),
        (HEADER + PAIR_LINES + "x\t1\ta\n", "dev.tsv, line 4: sentence2 is blank."),
        (HEADER + PAIR_LINES + "x\t1\ta\tb\tc\n", "dev.tsv, line 4 has 5 fields for 4 columns."),
        (
            HEADER + "x\t3\ta\tb\nx\t3.0\tc\td\n",
            "dev.tsv grades all 2 pairs 3: nothing can correlate with that.",
        ),
    ],
)
def test_a_faulty_benchmark_is_refused_with_file_and_line(
    tmp_path: Path, text: str, expected: str
) -> None:
    with pytest.raises(PipelineError) as error:
        read_pairs(written(tmp_path / "dev.tsv", text))
    assert str(error.value).replace(f"{tmp_path}/", "").startswith(expected)
    assert len(error.value.cause.splitlines()) == 1


def test_a_missing_folder_a_file_and_an_empty_folder_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "dev.tsv", HEADER)
    for place in (tmp_path / "nowhere", file):
        with pytest.raises(PipelineError, match="the folder of benchmarks, does not exist or is"):
            read_benchmarks(place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PipelineError, match=r"empty holds no benchmark: there is no \.tsv file"):
        read_benchmarks(tmp_path / "empty")


def test_a_stale_file_that_cannot_be_removed_is_named(tmp_path: Path) -> None:
    pairs = read_pairs(written(tmp_path / "dev.tsv", HEADER + PAIR_LINES))
    (tmp_path / "tables" / "old.parquet").mkdir(parents=True)
    with pytest.raises(PipelineError, match=r"old\.parquet is from an earlier run and cannot be"):
        write_benchmarks({"dev": pairs}, tmp_path / "tables")
