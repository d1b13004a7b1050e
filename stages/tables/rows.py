"""Rows of a table, given some at a time wherever they are: in a file, or in memory."""

import contextlib
import hashlib
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl

from stages.errors import PipelineError
from stages.tables import reading
from stages.tables.reading import (
    check_columns,
    footer,
    frame,
    placed_batches,
    told_as_unreadable,
)
from stages.tables.schemas import Schema

DIGEST_ROWS = 1 << 13


class Rows(ABC):
    """Rows that are had by their place; all of them need never be in memory."""

    @property
    @abstractmethod
    def columns(self) -> Sequence[str]:
        """Names, in order."""

    @property
    @abstractmethod
    def size(self) -> float:
        """Bytes that all of them may take in memory."""

    @abstractmethod
    def __len__(self) -> int:
        """Return how many there are."""

    @abstractmethod
    def part(self, start: int, rows: int) -> pl.DataFrame:
        """Return ``rows`` rows from ``start`` on, fewer at the end. Cheapest in ascending order."""

    def parts(self, rows: int) -> Iterator[pl.DataFrame]:
        """Yield all, ``rows`` at a time."""
        return (self.part(start, rows) for start in range(0, len(self), rows))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the rows in their order, with the names of the columns, wherever they are."""
        digest = hashlib.sha256(json.dumps([list(self.columns), len(self)]).encode())
        for part in self.parts(DIGEST_ROWS):
            digest.update(part.write_ndjson().encode("utf-8", "surrogatepass"))
        return digest.hexdigest()


class RowsInMemory(Rows):
    """The rows of ``table``."""

    def __init__(self, table: pl.DataFrame) -> None:
        self._table = table

    @property
    def columns(self) -> Sequence[str]:
        """Names, in order."""
        return self._table.columns

    @property
    def size(self) -> float:
        """Bytes that all of them take."""
        return float(self._table.estimated_size())

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._table)

    def part(self, start: int, rows: int) -> pl.DataFrame:
        """Return ``rows`` rows from ``start`` on, fewer at the end."""
        return self._table.slice(start, rows)


class SomeRows(Rows):
    """Some of the rows of another, in their order.

    Args:
        rows: The others.
        chosen: For each of them whether it is one.
    """

    def __init__(self, rows: Rows, chosen: pl.Series) -> None:
        self._rows = rows
        self._places = chosen.arg_true()

    @property
    def columns(self) -> Sequence[str]:
        """Names, in order."""
        return self._rows.columns

    @property
    def size(self) -> float:
        """Bytes that they may take in memory, if they are as long as the others."""
        return self._rows.size * len(self) / max(1, len(self._rows))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._places)

    def part(self, start: int, rows: int) -> pl.DataFrame:
        """Return ``rows`` rows from ``start`` on, fewer at the end."""
        places = self._places.slice(start, rows)
        if places.is_empty():
            return self._rows.part(0, 0)
        first, last = int(places[0]), int(places[-1])
        return self._rows.part(first, last - first + 1)[(places - first).to_list()]


@contextlib.contextmanager
def rows_of(path: Path, schema: Schema) -> Iterator["RowsOfFile"]:
    """Give the rows of the Parquet file ``path`` while the block runs, as they are at its start.

    Raises:
        PipelineError: When it is missing, is not Parquet, or has other columns than ``schema``.
    """
    with contextlib.ExitStack() as open_file:
        with told_as_unreadable(path):
            file = open_file.enter_context(path.open("rb"))
        yield RowsOfFile(path, file, schema)


class RowsOfFile(Rows):
    """The rows of a Parquet file, of which one block is in memory: a row group, if not too long.

    The file is held open: one that takes its place meanwhile, as :func:`replacing` makes it, is
    not mixed with it, and a change of the file itself is noticed.

    Args:
        path: Its name, for errors.
        file: Itself; stays open.
        schema: Columns it must have; all of them are read.
    """

    def __init__(self, path: Path, file: BinaryIO, schema: Schema) -> None:
        self._path = path
        self._file = file
        self._version = self._version_now()
        found, self._rows, self._size = footer(path, file)
        check_columns(path, found, schema)
        self._schema = schema
        self._first, self._block = 0, pl.DataFrame(schema=schema)
        self._batches: Iterator[tuple[int, Any]] = iter(())

    @property
    def columns(self) -> Sequence[str]:
        """Names, in the order of the schema."""
        return list(self._schema)

    @property
    def size(self) -> float:
        """Bytes of all columns, not compressed."""
        return float(self._size)

    def __len__(self) -> int:
        """Return how many rows the file says it has."""
        return self._rows

    def part(self, start: int, rows: int) -> pl.DataFrame:
        """Return ``rows`` rows from ``start`` on, fewer at the end.

        Raises:
            PipelineError: When they cannot be read, or the file was changed.
        """
        stop = min(start + rows, len(self))
        found = [self._block.clear()]
        while start < stop:
            self._go_to(start)
            found.append(self._block.slice(start - self._first, stop - start))
            start += len(found[-1])
        return found[1] if len(found) == 2 else pl.concat(found)

    def _go_to(self, place: int) -> None:
        """Have the block in memory that holds ``place``."""
        end = self._first + len(self._block)
        if self._first <= place < end:
            return
        if place != end or not end:
            self._batches = placed_batches(
                self._file,
                list(self._schema),
                rows=reading.BATCH_ROWS,
                wanted=lambda _, stop: stop > place,
            )
        self._block = self._block.clear()  # not two of them at once
        with told_as_unreadable(self._path):
            self._first, self._block = self._block_of(place)
        self._check_version()

    def _block_of(self, place: int) -> tuple[int, pl.DataFrame]:
        for first, batch in self._batches:
            if place < first + len(batch):
                return first, frame(batch).select(self._schema.keys())
        message = f"row {place} is missing"
        raise OSError(message)

    def _version_now(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns

    def _check_version(self) -> None:
        if self._version_now() != self._version:
            raise PipelineError(
                f"{self._path} was changed while it was read.",
                remedy="run the command again when nothing else writes to it.",
            )
