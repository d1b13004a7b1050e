"""Tables as text: CSV with standard quoting; TSV, where a quotation mark is just a character."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from stages.corpora.text_files import BOM, require_file, require_text
from stages.errors import PipelineError
from stages.tables.reading import BATCH_ROWS, UNREADABLE

Separator = Literal[",", "\t"]


def read_delimited(path: Path, *, separator: Separator) -> pl.DataFrame:
    r"""Read every column as text; row ``i`` (from 0) is the ``i``-th after the column names.

    A blank line is a row of empty fields, and a row that ends early is filled with empty fields.
    For TSV (``"\t"``) row ``i`` therefore stands in line ``i + 2``.

    Raises:
        PipelineError: When the file is no UTF-8 text, has no column names in its first line, has a
            row with more fields than names, or a quotation mark that is never closed.
    """
    return pl.concat(list(delimited_batches(path, separator=separator)))


def delimited_batches(path: Path, *, separator: Separator) -> Iterator[pl.DataFrame]:
    """Give what :func:`read_delimited` returns some rows at a time, an empty table first.

    Raises:
        PipelineError: As there, at the latest where the fault is.
    """
    require_file(path)
    require_text(path)
    _require_names(path)
    try:
        table = pl.scan_csv(
            path,
            separator=separator,
            quote_char=None if separator == "\t" else '"',
            infer_schema=False,
            empty_string_is_null=False,
            glob=False,
        )
        yield pl.DataFrame(schema=table.collect_schema())
        # Not of one column alone: rows with too many fields would go unnoticed.
        for batch in table.collect_batches(chunk_size=BATCH_ROWS, engine="streaming"):
            yield batch.fill_null("")
    except UNREADABLE as error:
        raise PipelineError(
            _first_fault(path, separator) or f"{path} cannot be read as a table: {error!s:.200}.",
            remedy="mend the line; a field that holds the separator must be quoted in .csv, and "
            "cannot be written in .tsv.",
        ) from error


def _require_names(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        if not file.readline().strip(BOM + " \t\r\n"):
            raise PipelineError(
                f"{path}, line 1 is blank where the column names should be.",
                remedy="write the column names into the first line.",
            )


class _Unquoted(csv.excel_tab):
    quoting = csv.QUOTE_NONE


def _first_fault(path: Path, separator: Separator) -> str | None:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file, _Unquoted if separator == "\t" else "excel", strict=True)
        line, width = 1, 0
        try:
            for row in rows:
                width = width or len(row)
                if len(row) > width:
                    return f"{path}, line {line:,} has {len(row)} fields for {width} columns."
                line = rows.line_num + 1
        except csv.Error as error:
            return f"{path}, line {line:,} cannot be read: {error}."
    return None
