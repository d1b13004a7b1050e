"""Tables are read: whole, or some rows at a time, with their columns checked."""

import contextlib
from collections.abc import Callable, Collection, Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from stages.errors import PipelineError, first_line
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
    with told_as_unreadable(path):
        return read_parquet(path)


def read_table(
    path: Path, schema: Schema, *, columns: Collection[str] | None = None
) -> pl.DataFrame:
    """Read the Parquet file ``path`` and check that it has the columns of ``schema``.

    Args:
        path: A table that a stage wrote.
        schema: Columns it must have.
        columns: Those of them that are read; all where none are named.

    Raises:
        PipelineError: When the file is missing, is not Parquet, or has other columns.
    """
    count_rows(path, schema)
    names = [name for name in schema if columns is None or name in columns]
    with told_as_unreadable(path):
        return read_parquet(path, columns=names).select(names)


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
        with told_as_unreadable(path):
            batch = next(batches, None)
        if batch is None:
            return
        yield frame(batch).select(names)


def count_rows(path: Path, schema: Schema) -> int:
    """Return how many rows the Parquet file ``path`` has, by its last bytes alone.

    Raises:
        PipelineError: As :func:`read_table`.
    """
    found, rows = any_schema(path)
    check_columns(path, found, schema)
    return rows


def any_schema(path: Path) -> tuple[pl.Schema, int]:
    """Return the columns of the Parquet file ``path``, whichever, and how many rows it has.

    Raises:
        PipelineError: When the file is missing or is not Parquet.
    """
    schema, rows, _ = footer(path, path)
    return schema, rows


def footer(path: Path, source: Path | BinaryIO) -> tuple[pl.Schema, int, int]:
    """Return the columns, the number of rows and their bytes before compression.

    Args:
        path: Names the file in errors.
        source: The file, or its bytes as a stream.

    Raises:
        PipelineError: As :func:`any_schema`.
    """
    from pyarrow import parquet

    with told_as_unreadable(path), _as_os_errors(), parquet.ParquetFile(source) as file:
        schema = pl.DataFrame(file.schema_arrow.empty_table()).schema
        about = file.metadata
        size = sum(about.row_group(group).total_byte_size for group in range(about.num_row_groups))
        return schema, int(about.num_rows), int(size)


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
    with told_as_unreadable(path):
        near = partial(_some_within, wanted)
        for start, batch in placed_batches(path, names, rows=BATCH_ROWS, wanted=near):
            here = wanted[slice(*np.searchsorted(wanted, [start, start + len(batch)]))]
            # Taken by Arrow, which copies: else few rows would keep the memory of all.
            found.append(frame(batch.take(here - start)))
    return pl.concat(found)


def parquet_batches(path: Path, columns: list[str], *, rows: int) -> Iterator[Any]:
    """Read columns of the Parquet file ``path``, at most so many rows at a time.

    Yields:
        Arrow's record batches, checked.

    Raises:
        OSError: As :func:`read_parquet`.
    """
    return (batch for _, batch in placed_batches(path, columns, rows=rows))


def placed_batches(
    source: Path | BinaryIO,
    columns: list[str],
    *,
    rows: int,
    wanted: Callable[[int, int], bool] = lambda _start, _end: True,
) -> Iterator[tuple[int, Any]]:
    """Read columns of a Parquet file, each of Arrow's batches with the number of its first row.

    Args:
        source: The file, or its bytes as a stream.
        columns: Their names.
        rows: Rows at a time at most.
        wanted: Told the first row and the end of some row groups; those it denies are not read.

    Raises:
        OSError: As :func:`read_parquet`.
    """
    from pyarrow import parquet

    with _as_os_errors(), parquet.ParquetFile(source, buffer_size=READ_BYTES) as file:
        # A reader keeps what it has read of all its row groups: each batch of groups has its own.
        for start, groups in _row_groups(file, rows):
            end = start + sum(file.metadata.row_group(group).num_rows for group in groups)
            if wanted(start, end):
                place = start
                for batch in file.iter_batches(rows, columns=columns, row_groups=groups):
                    batch.validate(full=True)
                    yield place, batch
                    place += len(batch)


def _some_within(wanted: NDArray[np.int64], start: int, end: int) -> bool:
    return bool(np.diff(np.searchsorted(wanted, [start, end])).item())


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


def frame(batch: Any) -> pl.DataFrame:
    """Return one of Arrow's batches as a frame."""
    # Column by column: else whoever keeps one column keeps the memory of all.
    columns = zip(batch.schema.names, batch.columns, strict=True)
    return pl.DataFrame([pl.Series(name, values) for name, values in columns])


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, MemoryError, KeyError, *UNREADABLE) as error:
        raise OSError(first_line(error)) from error


@contextlib.contextmanager
def told_as_unreadable(path: Path) -> Iterator[None]:
    """Tell a user when the file ``path`` is missing, or a block that reads it fails.

    Raises:
        PipelineError: Instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        if not path.is_file():
            raise PipelineError(
                f"{path} does not exist.",
                remedy="run the stage that makes it first (`dvc repro`), or mend the path.",
            ) from error
        raise PipelineError(
            f"{path} cannot be read as Parquet: {error}",
            remedy="delete the file and run the stage that makes it again.",
        ) from error


def check_columns(path: Path, found: pl.Schema, wanted: Schema) -> None:
    """Check that the file ``path`` has the columns ``wanted``.

    Raises:
        PipelineError: When it has not.
    """
    faults = [
        f"{name} is {found[name]}, not {dtype}" if name in found else f"{name} is missing"
        for name, dtype in pl.Schema(wanted).items()
        if found.get(name) != dtype
    ]
    if faults:
        raise PipelineError(
            f"{path} has other columns than this version writes: {'; '.join(faults)}.",
            remedy="run the stage that makes it again with this version.",
        )
