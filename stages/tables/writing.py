"""Tables are written: at once or some rows at a time, whole or not at all."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from stages.tables.reading import BATCH_ROWS
from stages.tables.replacing import replacing


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


def write_parts(
    parts: Iterable[pl.DataFrame],
    path: Path,
    schema: Mapping[str, Any],
    *,
    seen: Callable[[pl.DataFrame], None],
) -> None:
    """Write what comes some rows at a time to ``path``, and show each part to ``seen``."""
    with writing_table(path, schema) as writer:
        for part in parts:
            writer.write(part)
            seen(part)


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

        # In one chunk each: Parquet's pages end where chunks do.
        table = pa.concat_tables(self._waiting).combine_chunks()
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
