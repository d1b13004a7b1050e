"""Files as tables and records; the ending of a file's name says how it is written.

.tsv and .parquet hold columns, .jsonl and .jsonl.gz one object a line.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

import polars as pl

from stages.corpora.delimited import read_delimited
from stages.corpora.text_files import require_file
from stages.errors import PipelineError, first_line
from stages.tables.reading import UNREADABLE, read_parquet

Record = Mapping[str, object]


def table_of(path: Path, *, columns: Mapping[str, str] | None = None) -> pl.DataFrame:
    """Read ``path`` as a table of text; what is missing in a row is empty.

    Args:
        path: A .tsv, .parquet, .jsonl or .jsonl.gz file.
        columns: What a column is called in the file, by the name it gets here.

    Raises:
        PipelineError: When the file is missing or malformed.
    """
    require_file(path)
    if path.suffix == ".tsv":
        return _renamed(read_delimited(path, separator="\t"), columns or {})
    try:
        if path.suffix == ".parquet":
            table = read_parquet(path)
        else:
            rows = [record for _, record in objects(path)]
            table = pl.DataFrame(rows, infer_schema_length=None)
        return _renamed(table.select(pl.all().cast(pl.String).fill_null("")), columns or {})
    except (*UNREADABLE, TypeError) as error:
        raise PipelineError(
            f"{path} cannot be read as a table: {first_line(error)}.",
            remedy="give every row the same columns, each of one type.",
        ) from error


def _renamed(table: pl.DataFrame, columns: Mapping[str, str]) -> pl.DataFrame:
    there = {theirs: ours for ours, theirs in columns.items() if theirs in table.columns}
    return table.drop([ours for ours in there.values() if ours in table.columns]).rename(there)


def objects(path: Path) -> Iterator[tuple[str, Record]]:
    """Yield place and object of every line that is not blank, and keep none of them.

    Raises:
        PipelineError: When the file is missing, or a line is no JSON object.
    """
    require_file(path)
    try:
        with _opened(path) as file:
            for line, text in enumerate(file, start=1):
                if text.strip():
                    yield f"{path}, line {line:,}", _object(text, f"{path}, line {line:,}")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise PipelineError(
            f"{path} cannot be read: {error}", remedy="fetch or write the file again."
        ) from error


def _opened(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8")
    return path.open(encoding="utf-8-sig")


def _object(text: str, place: str) -> dict[str, object]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PipelineError(f"{place} is not JSON: {error}.", remedy="mend the line.") from error
    if not isinstance(record, dict):
        raise PipelineError(
            f"{place} is not a JSON object: {text:.40}", remedy="write an object on every line."
        )
    return record


def record_id(record: Record, place: str) -> str:
    """Return the ``_id`` of a record; a number counts as text.

    Raises:
        PipelineError: When there is none.
    """
    name = record.get("_id")
    if not isinstance(name, str | int) or name == "":
        raise PipelineError(f"{place} has no _id.", remedy="give every line its own _id.")
    return str(name)


def record_text(value: object, place: str) -> str:
    """Return ``value`` if it is text.

    Raises:
        PipelineError: When it is not.
    """
    if not isinstance(value, str):
        raise PipelineError(
            f"{place}: title or text is {type(value).__name__}, not text.",
            remedy="write it as a string.",
        )
    return value
