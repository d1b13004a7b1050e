"""The tables that stages hand to one another: their columns, and how they are read and written.

data/README.md says in words what each column means and in which unit.
"""

import contextlib
import errno
import fcntl
import glob
import json
import os
import tempfile
from collections.abc import Collection, Container, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.errors import PipelineError

Schema = Mapping[str, type[pl.DataType]]

SENTENCES: Schema = {"id": pl.String, "sentence": pl.String, "line": pl.Int64}
PAIRS: Schema = {
    "subset": pl.String,
    "score": pl.Float64,
    "sentence1": pl.String,
    "sentence2": pl.String,
}
TRIPLETS: Schema = {
    "id": pl.String,
    "sample": pl.Int64,
    "premise": pl.String,
    "entailment": pl.String,
    "contradiction": pl.String,
    "entailment_instruction": pl.String,
    "contradiction_instruction": pl.String,
    "entailment_finished": pl.Boolean,
    "contradiction_finished": pl.Boolean,
}
SCORED: Schema = {
    **TRIPLETS,
    "entailment_score": pl.Float64,
    "contradiction_score": pl.Float64,
    "entailment_answer": pl.String,
    "contradiction_answer": pl.String,
}
LABELLED: Schema = {
    "id": pl.String,
    "premise": pl.String,
    "entailment": pl.String,
    "contradiction": pl.String,
}
CURATED: Schema = SCORED
REJECTED: Schema = {**SCORED, "reason": pl.String}


UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What comes of reading a damaged file: polars panics on some, which is no Exception."""

BATCH_ROWS = 1 << 17
"""Rows that are read and written at once, and of a row group: some 50 MB of triplets."""
READ_BYTES = 1 << 20

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""How a cell begins that a spreadsheet program would run, in full width too."""


def spreadsheet_cell(text: str) -> str:
    r"""Return ``text`` for a table that people open in a spreadsheet: one line, and never run.

    A quotation mark in front tells such a program that text follows. Numbers stay numbers. Files
    that the pipeline reads itself are not treated so: there every character counts.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell("-0.3"), spreadsheet_cell("a\tb\r=c")
    ("'=1+1", '-0.3', 'a b =c')
    """
    line = " ".join(text.split()) if any(mark in text for mark in "\t\r\n\v\f") else text
    return f"'{line}" if _begins_a_formula(text) and not _is_number(text) else line


def text_of_cell(cell: str) -> str:
    """Return what :func:`spreadsheet_cell` was given, but for line breaks.

    >>> text_of_cell("'=1+1"), text_of_cell("'quoted'")
    ('=1+1', "'quoted'")
    """
    inner = cell.removeprefix("'")
    return inner if _begins_a_formula(inner) else cell


def _begins_a_formula(text: str) -> bool:
    # A program that takes quotation marks away would find what follows them.
    return text.lstrip(" \"'").startswith(FORMULA)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_parquet(source: Path | BinaryIO, *, columns: Container[str] | None = None) -> pl.DataFrame:
    """Read a Parquet file from wherever it may come.

    By Arrow, not polars, which panics on some damaged files and ends the process on others.

    Args:
        source: The file, or its bytes as a stream.
        columns: Those of them that are there are read; all where none are named.

    Raises:
        OSError: When it is missing, is no Parquet, or holds what it should not, such as text that
            is not UTF-8.
    """
    from pyarrow import parquet

    with _as_os_errors():
        with parquet.ParquetFile(source) as file:
            there = file.schema_arrow.names
            wanted = [name for name in there if columns is None or name in columns]
            table = file.read(columns=wanted)
        table.validate(full=True)
        return pl.DataFrame(table)


def read_any_table(path: Path) -> pl.DataFrame:
    """Read the Parquet file ``path``, whatever its columns.

    Raises:
        PipelineError: When the file is missing or is not Parquet.
    """
    with _told_as_unreadable(path):
        return read_parquet(path)


def read_table(path: Path, schema: Schema) -> pl.DataFrame:
    """Read the Parquet file ``path`` and check that it has the columns of ``schema``.

    Raises:
        PipelineError: When the file is missing, is not Parquet, or has other columns.
    """
    table = read_any_table(path)
    _check_columns(path, table.schema, schema)
    return table.select(schema.keys())


def table_batches(
    path: Path,
    schema: Schema,
    *,
    columns: Collection[str] | None = None,
    rows: int | None = None,
) -> Iterator[pl.DataFrame]:
    """Read the Parquet file ``path`` some rows at a time: for tables that fill the memory.

    Args:
        path: A table as for :func:`read_table`.
        schema: Columns it must have.
        columns: Those of them that are read; all where none are named.
        rows: Rows at a time at most; by default BATCH_ROWS.

    Raises:
        PipelineError: As :func:`read_table`, at the latest where the damage is.
    """
    count_rows(path, schema)
    names = [name for name in schema if columns is None or name in columns]
    batches = parquet_batches(path, names, rows=rows or BATCH_ROWS)
    while True:
        with _told_as_unreadable(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield _frame(batch).select(names)


def count_rows(path: Path, schema: Schema) -> int:
    """Return how many rows the Parquet file ``path`` has, by its last bytes alone.

    Raises:
        PipelineError: As :func:`read_table`.
    """
    found, rows = any_schema(path)
    _check_columns(path, found, schema)
    return rows


def any_schema(path: Path) -> tuple[pl.Schema, int]:
    """Return the columns of the Parquet file ``path``, whichever, and how many rows it has.

    Raises:
        PipelineError: When the file is missing or is not Parquet.
    """
    from pyarrow import parquet

    with _told_as_unreadable(path), _as_os_errors(), parquet.ParquetFile(path) as file:
        schema = pl.DataFrame(file.schema_arrow.empty_table()).schema
        return schema, int(file.metadata.num_rows)


def rows_at(
    path: Path, schema: Schema, rows: Collection[int], *, columns: Collection[str] | None = None
) -> pl.DataFrame:
    """Read some rows of the Parquet file ``path``, in its order, each once.

    Args:
        path: A table as for :func:`read_table`.
        schema: Columns it must have.
        rows: Their numbers, from 0. What lies far from all of them is not read.
        columns: Those of the columns that are read; all where none are named.

    Raises:
        PipelineError: As :func:`read_table`.
    """
    names = [name for name in schema if columns is None or name in columns]
    wanted = np.unique(np.fromiter(rows, dtype=np.int64))
    found = [pl.DataFrame(schema={name: schema[name] for name in names})]
    count_rows(path, schema)
    with _told_as_unreadable(path):
        for start, batch in _placed_batches(path, names, rows=BATCH_ROWS, only=wanted):
            here = wanted[slice(*np.searchsorted(wanted, [start, start + len(batch)]))]
            # Taken by Arrow, which copies: else few rows would keep the memory of all.
            found.append(_frame(batch.take(here - start)))
    return pl.concat(found)


def parquet_batches(path: Path, columns: list[str], *, rows: int) -> Iterator[Any]:
    """Read columns of the Parquet file ``path``, at most so many rows at a time.

    Yields:
        Arrow's record batches, checked.

    Raises:
        OSError: As :func:`read_parquet`.
    """
    return (batch for _, batch in _placed_batches(path, columns, rows=rows))


def _placed_batches(
    path: Path, columns: list[str], *, rows: int, only: NDArray[np.int64] | None = None
) -> Iterator[tuple[int, Any]]:
    """Give batches with the number of their first row; row groups without wanted rows are not read.

    A reader keeps what it has read of all its row groups, so each batch of groups has its own.
    """
    from pyarrow import parquet

    with _as_os_errors(), parquet.ParquetFile(path, buffer_size=READ_BYTES) as file:
        for start, groups in _row_groups(file, rows):
            end = start + sum(file.metadata.row_group(group).num_rows for group in groups)
            if only is None or np.diff(np.searchsorted(only, [start, end])).item():
                place = start
                for batch in file.iter_batches(rows, columns=columns, row_groups=groups):
                    batch.validate(full=True)
                    yield place, batch
                    place += len(batch)


def _row_groups(file: Any, rows: int) -> Iterator[tuple[int, list[int]]]:
    """Put small row groups together that hold at most ``rows`` rows; each with its first row."""
    start, held, groups = 0, 0, list[int]()
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        if groups and held + size > rows:
            yield start, groups
            start, held, groups = start + held, 0, []
        groups.append(group)
        held += size
    if groups:
        yield start, groups


def _frame(batch: Any) -> pl.DataFrame:
    # Column by column: else whoever keeps one column keeps the memory of all.
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return pl.DataFrame([pl.Series(name, values) for name, values in columns])


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, MemoryError, KeyError, *UNREADABLE) as error:
        raise OSError((str(error).splitlines() or [type(error).__name__])[0]) from error


@contextlib.contextmanager
def _told_as_unreadable(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise PipelineError(
            f"{path} does not exist.",
            remedy="run the stage that makes it first (`dvc repro`), or mend the path.",
        )
    try:
        yield
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be read as Parquet: {error}",
            remedy="delete the file and run the stage that makes it again.",
        ) from error


def _check_columns(path: Path, found: pl.Schema, wanted: Schema) -> None:
    faults = [
        f"{name} is {found[name]}, not {dtype()}" if name in found else f"{name} is missing"
        for name, dtype in wanted.items()
        if found.get(name) != dtype
    ]
    if faults:
        raise PipelineError(
            f"{path} has other columns than this version writes: {'; '.join(faults)}.",
            remedy="run the stage that makes it again with this version.",
        )


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write ``table`` to ``path`` as Parquet, whole or not at all."""
    with writing_table(path, table.schema) as writer:
        writer.write(table)


@contextlib.contextmanager
def writing_table(path: Path, schema: Mapping[str, Any]) -> Iterator["TableWriter"]:
    """Write a Parquet file some rows at a time, whole or not at all.

    Its bytes follow from all rows together, however many come at a time.

    Raises:
        PipelineError: When the operating system refuses the write.
    """
    with replacing(path) as temporary, TableWriter(temporary, schema) as writer:
        yield writer


class TableWriter:
    """An open Parquet file of ``schema`` that rows are added to."""

    def __init__(self, path: Path, schema: Mapping[str, Any]) -> None:
        from pyarrow import parquet

        self.rows = 0
        empty = _arrow(pl.DataFrame(schema=schema))
        # Arrow's, which are copies: rows that polars picked would keep the memory of all others.
        self._waiting = [empty]
        self._file = parquet.ParquetWriter(path, empty.schema, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        """Add ``rows``, which have the columns of the schema in its order."""
        self.rows += len(rows)
        self._waiting.append(_arrow(rows))
        if sum(map(len, self._waiting)) >= BATCH_ROWS:
            self._put(whole_groups=True)

    def _put(self, *, whole_groups: bool) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._waiting)
        rows = len(table) - (len(table) % BATCH_ROWS if whole_groups else 0)
        if rows:
            self._file.write_table(table.slice(0, rows), row_group_size=BATCH_ROWS)
        self._waiting = [table.slice(rows)]

    def __enter__(self) -> "TableWriter":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._put(whole_groups=False)
        finally:
            self._file.close()


def _arrow(rows: pl.DataFrame) -> Any:
    """Return ``rows`` in the form of Arrow that any reader of Parquet knows."""
    return rows.to_arrow(compat_level=pl.CompatLevel.oldest())


def read_json(path: Path) -> Any:
    """Read the JSON file ``path``.

    Raises:
        PipelineError: When it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(
            f"{path} cannot be read as JSON: {error}",
            remedy="run the stage that makes it again.",
        ) from error


def write_json(value: object, path: Path) -> None:
    """Write ``value`` to ``path`` as indented JSON with a final newline, whole or not at all."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well.

    The old file stays whole when the block fails, also when the disk is full or the machine stops:
    the new one is on the disk, and so is its name, before anybody is told. What a killed process
    left half written for the same ``path`` is removed.

    Raises:
        PipelineError: When the operating system refuses the write.
    """
    handle, temporary = None, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        handle, temporary = _temporary(path)
        yield temporary
        with temporary.open("rb+") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
        _flush_folder(path.parent)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise PipelineError(
            f"{path} could not be written: {error}; what was there before is untouched.",
            remedy="free disk space or mend the permissions of the folder, then run again.",
        ) from error
    finally:
        if temporary is not None and handle is not None:
            temporary.unlink(missing_ok=True)
            os.close(handle)  # not before: unlocked it would count as abandoned


def _temporary(path: Path) -> tuple[int, Path]:
    """Make an empty file beside ``path``, locked for as long as its descriptor is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            mine = _locked(handle)
        except OSError:  # a file system without locks: nothing is taken for abandoned there
            mine = True
        if mine and Path(name).exists():
            return handle, Path(name)
        os.close(handle)  # taken for abandoned by another process, in the moment before the lock


def _remove_abandoned(path: Path) -> None:
    """Remove what processes that are no more left half written for ``path``."""
    for file in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        with contextlib.suppress(OSError), file.open("rb") as left:
            if _locked(left.fileno()):
                file.unlink()


def _locked(handle: int) -> bool:
    """Lock an open file until it is closed or its process ends; False where another has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _flush_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has no such thing
            raise
    finally:
        os.close(handle)
