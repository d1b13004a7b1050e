"""Labelled triplets: every usual format, in normal form, each row accounted for."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from stages.corpora.labelled import read_labelled
from stages.errors import PipelineError
from stages.tables.schemas import LABELLED

ROWS = [
    ("A  man sings.", "Somebody sings.", "Nobody sings."),
    ("A man sings.", "Somebody sings.", "Nobody sings."),
    ("Rain.", "", "Sun."),
    ("Snow.", "It is far too long to be of use.", "Sun."),
    ("Hail.", "Ice falls.", "It is dry."),
]
NAMES = ["premise", "entailment", "contradiction"]


def write(path: Path) -> Path:
    table = pl.DataFrame(ROWS, schema=NAMES, orient="row").with_columns(source=pl.lit("x"))
    match path.suffix:
        case ".jsonl":
            lines = [json.dumps(row) for row in table.iter_rows(named=True)]
            path.write_text("\n".join(lines) + "\n")
        case ".parquet":
            table.write_parquet(path)
        case _:
            tabs = path.suffix == ".tsv"  # without quoting, as the format here has it
            quotes: Any = {"quote_style": "never"} if tabs else {}
            table.write_csv(path, separator="\t" if tabs else ",", **quotes)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_each_format_gives_the_same_triplets_and_counts(ending: str, tmp_path: Path) -> None:
    found = read_labelled(write(tmp_path / f"people.{ending}"), max_characters=20)
    assert found.triplets.schema == pl.Schema(LABELLED)
    assert found.triplets.select(NAMES).rows() == [ROWS[1], ROWS[4]]
    assert found.counts() == {"read": 5, "empty": 1, "overlong": 1, "duplicates": 1, "kept": 2}


def test_a_file_without_rows_is_no_labelled_triplets(tmp_path: Path) -> None:
    path = tmp_path / "none.tsv"
    path.write_text("\t".join(NAMES) + "\n")
    found = read_labelled(path, max_characters=20)
    assert found.triplets.is_empty()
    assert found.triplets.schema == pl.Schema(LABELLED)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = tmp_path / "people.tsv"
    path.write_text("premise\tentailed\tcontradiction\nA.\tB.\tC.\n")
    with pytest.raises(PipelineError, match=r"column 'entailment'(.|\n)*did you mean 'entailed'"):
        read_labelled(path, max_characters=20)
