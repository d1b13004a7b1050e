"""Tables are read: whole, or some rows at a time, with their columns checked."""

import contextlib
from collections.abc import Collection, Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.errors import PipelineError
from stages.tables.schemas import Schema

UNREADABLE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
"""What comes of reading a damaged file: polars panics on some, which is no Exception."""

BATCH_ROWS = 1 << 17
"""Rows that are read and written at once, and of a row group: some 50 MB of triplets."""
READ_BYTES = 1 << 20


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
