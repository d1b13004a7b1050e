"""Reading sentences from the file formats people keep them in.

The ending of the file name decides: .txt (one sentence a line), .csv and .tsv (a named column;
.tsv without quoting), .jsonl (a named field of one object a line), .parquet (a named column).
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from stages.corpora.delimited import Separator, delimited_batches
from stages.corpora.text_files import count_lines, line_batches, require_file
from stages.errors import PipelineError, first_line, nearest
from stages.tables.conditions import Condition
from stages.tables.reading import BATCH_ROWS, parquet_batches

NAMES_SHOWN = 12
HALF_A_PAIR = re.compile("[\ud800-\udfff]")


def read_sentences(path: Path, *, column: str | None) -> pl.Series:
    """Return every sentence of ``path`` just as it is written there, in order, duplicates included.

    Args:
        path: A .txt, .csv, .tsv, .jsonl or .parquet file.
        column: The column or field that holds the sentences; None for .txt.

    Returns:
        One String a row, named ``sentence``, at least one row. Missing values and blank lines are
        empty strings, so that entry ``i`` (from 0) is row ``i + 1``: line ``i + 1`` of .txt and
        .jsonl, the ``i + 1``-th row after the column names of .csv and .tsv.

    Raises:
        PipelineError: When the file is missing, empty, of another kind, not UTF-8 or malformed, or
            when the column is not there, not text, or not named.
    """
    return pl.concat([rows["sentence"] for rows in sentence_batches(path, column=column)])


def sentence_batches(
    path: Path, *, column: str | None, where: Condition | None = None
) -> Iterator[pl.DataFrame]:
    """Give what :func:`read_sentences` returns some rows at a time: for files of any length.

    Args:
        path: As there.
        column: As there.
        where: Which rows are chosen, by the file's columns; of .txt the one column is `sentence`.

    Yields:
        ``sentence`` and ``chosen``, true or false, of every row.

    Raises:
        PipelineError: As there, at the latest where the fault is; also for a condition on columns
            that the file does not have.
    """
    seen = 0
    for rows in _table_batches(path, column, where.columns if where else ()):
        seen += len(rows)
        chosen = where.holds(rows) if where else pl.repeat(value=True, n=len(rows), eager=True)
        yield pl.DataFrame({"sentence": rows.to_series(0), "chosen": chosen})
    if not seen:
        raise PipelineError(
            f"{path} has column names but no rows.", remedy="fill it, or name another file."
        )


def rows_at_most(path: Path) -> int:
    """Return how many rows ``path`` has, or a few more: enough to say how far a reader is.

    Raises:
        PipelineError: When there is no such file.
    """
    require_file(path)
    if path.suffix.lower() != ".parquet":
        return count_lines(path)
    from pyarrow import ArrowException, parquet

    try:
        return int(parquet.read_metadata(path).num_rows)
    except (ArrowException, OSError, ValueError):
        return 0  # whoever reads it says what is wrong


def read_column(path: Path, *, column: str | None) -> pl.Series:
    """Do as :func:`read_sentences`, but take a file that has column names and no rows as well.

    Raises:
        PipelineError: As there.
    """
    batches = [rows.to_series(0) for rows in _table_batches(path, column, ())]
    return pl.concat(batches) if batches else pl.Series(column, [], dtype=pl.String)


def _table_batches(path: Path, column: str | None, beside: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Give the column of sentences, first, and those ``beside`` it some rows at a time."""
    readers: dict[str, Callable[[Path, str | None, Sequence[str]], Iterator[pl.DataFrame]]] = {
        ".txt": _from_text,
        ".csv": partial(_from_delimited, separator=","),
        ".tsv": partial(_from_delimited, separator="\t"),
        ".jsonl": _from_json_lines,
        ".parquet": _from_parquet,
    }
    require_file(path)
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise PipelineError(
            f"{path} ends in {path.suffix or 'nothing'}, which is no known kind of sentence file.",
            remedy=f"convert it to one of {', '.join(readers)}, and name it so.",
        )
    yield from reader(path, column, beside)


def _from_text(path: Path, column: str | None, beside: Sequence[str]) -> Iterator[pl.DataFrame]:
    if column is not None:
        raise PipelineError(
            f"{path} is plain text and has no columns, but column {column!r} was asked for.",
            remedy="leave the column out (`column: null` in params.yaml).",
        )
    _wanted(path, "sentence", beside, ["sentence"])  # it has no other column
    for lines in line_batches(path):
        yield pl.DataFrame({"sentence": lines})


def _from_delimited(
    path: Path, column: str | None, beside: Sequence[str], *, separator: Separator
) -> Iterator[pl.DataFrame]:
    for table in delimited_batches(path, separator=separator):
        yield table.select(_wanted(path, column, beside, table.columns))


def _from_parquet(path: Path, column: str | None, beside: Sequence[str]) -> Iterator[pl.DataFrame]:
    # Not polars: on some damaged files it panics, or ends the process for want of memory.
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            name, *others = _wanted(path, column, beside, file.schema_arrow.names)
            kind = file.schema_arrow.field(name).type
            if not _is_text(kind):
                raise PipelineError(
                    f"{path}: column {name!r} is {kind}, not text.",
                    remedy="name the column that holds the sentences, or write it as strings.",
                )
        for batch in parquet_batches(path, [name, *others], rows=BATCH_ROWS):
            found = batch.column(name).cast(pa.large_string())
            for each in (found, *map(batch.column, others)):
                each.validate(full=True)  # such as that its bytes are UTF-8
            sentences = pl.Series(name, found, dtype=pl.String).fill_null("")
            yield pl.DataFrame([sentences, *(pl.Series(n, batch.column(n)) for n in others)])
    except (pa.ArrowException, OSError, ValueError, MemoryError, KeyError) as error:
        raise PipelineError(
            f"{path} cannot be read as Parquet: {first_line(error)}.",
            remedy="write the file again, or name it after what it really is.",
        ) from error


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    inner = kind.value_type if types.is_dictionary(kind) else kind
    return any(
        is_so(inner) for is_so in (types.is_string, types.is_large_string, types.is_string_view)
    )


def _from_json_lines(
    path: Path, column: str | None, beside: Sequence[str]
) -> Iterator[pl.DataFrame]:
    before = 0
    for lines in line_batches(path):
        sentences: list[str] = []
        others: dict[str, list[object]] = {name: [] for name in beside if name != column}
        names: dict[str, None] = {}
        for line, text in enumerate(lines, start=before + 1):
            place = f"{path}, line {line:,}"
            record = _parsed(text, place) if text.strip() else None
            sentences.append("" if record is None else _field(record, column, place))
            for name, values in others.items():
                values.append(None if record is None else record.get(name))
            names.update(dict.fromkeys(record or ()))
        if names:  # a record may leave a field out, all of them together may not
            for name in others:
                _checked_column(path, name, names)
        columns = [pl.Series(name, values, strict=False) for name, values in others.items()]
        yield pl.DataFrame([pl.Series(column, sentences, dtype=pl.String), *columns])
        before += len(lines)


def _parsed(text: str, place: str) -> dict[str, object]:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PipelineError(
            f"{place} is not JSON: {first_line(error)}.",
            remedy="mend the line; every line holds one whole JSON object.",
        ) from error
    if not isinstance(record, dict):
        raise PipelineError(
            f"{place} is not a JSON object: {text:.40}",
            remedy='write every line as an object, such as {"sentence": "..."}.',
        )
    return record


def _field(record: dict[str, object], column: str | None, place: str) -> str:
    value = record[_checked_column(place, column, record.keys())]
    if value is None:
        return ""
    if not isinstance(value, str):
        raise PipelineError(
            f"{place}: {column!r} is {json.dumps(value):.40}, not text.",
            remedy="name the field that holds the sentences, or write the value as a string.",
        )
    if HALF_A_PAIR.search(value):
        raise PipelineError(
            f"{place}: {column!r} holds half a surrogate pair (\\ud800 to \\udfff), no character.",
            remedy="mend the line; the text was probably cut in the middle of an emoji.",
        )
    return value


def _wanted(
    path: Path, column: str | None, beside: Sequence[str], names: Collection[str]
) -> list[str]:
    """Return the columns to read, that of the sentences first, each of them once."""
    wanted = [column, *beside]
    return list(dict.fromkeys(_checked_column(path, name, names) for name in wanted))


def _checked_column(place: Path | str, column: str | None, names: Collection[str]) -> str:
    if column is not None and column in names:
        return column
    shown = ", ".join(list(names)[:NAMES_SHOWN])
    shown += f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    if column is None:
        raise PipelineError(
            f"{place} needs the name of the column that holds the sentences; it has: {shown}.",
            remedy="name one of them (`column:` in params.yaml, `--column` on the command line).",
        )
    near = nearest(column, names)
    raise PipelineError(
        f"{place} has no column {column!r}; it has: {shown}.",
        remedy=f"did you mean {near!r}?" if near else "name one of them.",
    )
