"""A series of shards: numbered, sealed files in one folder, made by whatever engine.

The one who runs the stage finds, locks, seals and writes every file, also where the workers of a
cluster compute them: so no worker needs the folder, and locks, seals and the look at the disk are
the same on every engine.
"""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import polars as pl

from stages.engines.disk import require_space, require_space_for_output
from stages.engines.pieces import read_piece, set_aside, write_piece
from stages.engines.protocol import Engine, Maker, Order, Terms
from stages.engines.turns import alive, many_in_turns
from stages.errors import PipelineError
from stages.tables.reading import UNREADABLE
from stages.tables.rows import Rows

Piece = TypeVar("Piece")


class Series(ABC, Generic[Piece]):
    """The shards of one table in one folder.

    Args:
        folder: Where they are; its name is part of every seal.
        stage: Whose they are; part of every seal, too.
        rows: What they are made of; read when a shard is made.
        shard_rows: Rows of each, fewer of the last.
        suffix: Of their files.
    """

    def __init__(
        self, folder: Path, *, stage: str, rows: Rows, shard_rows: int, suffix: str
    ) -> None:
        self.rows = rows
        shards = -(-len(rows) // shard_rows)
        self.paths = [folder / f"shard-{number:06d}{suffix}" for number in range(shards)]
        self.advance: Callable[[int], None] = lambda _done: None
        self.made_rows = 0
        """Rows of the shards that were made for this process, not found."""
        self._folder = folder
        self._stage = stage
        self._shard_rows = shard_rows
        self._weights: dict[int, int] = {}

    @abstractmethod
    def opened(self, number: int, data: bytes) -> Piece:
        """Return what the bytes of a file say that are whole, and the file of this shard.

        Raises:
            ValueError: When they say nothing of the kind, or any of ``UNREADABLE``.
        """

    @property
    @abstractmethod
    def expected(self) -> float:
        """Bytes that all shards may have together, before any is there to weigh."""

    def count(self, number: int) -> int:
        """Return how many rows the shard is made of."""
        return min(self._shard_rows, len(self.rows) - number * self._shard_rows)

    def results(self, number: int) -> int:
        """Return the rows that the shard's file says it has."""
        return self.count(number)

    @property
    def output(self) -> Path | None:
        """Where all of them will go once more, as one; there has to be room for it, too."""
        return None

    def through(self, engine: Engine, maker: Maker, *, terms: Terms) -> Iterator[tuple[int, Piece]]:
        """Yield all shards once, with their numbers: those that are there, and the others made."""
        self._weigh()
        self._require_space()

        def make(numbers: Sequence[int]) -> Iterator[tuple[int, Piece]]:
            orders = (Order(n, self._label(n), self._input(n)) for n in numbers)
            for number, data in engine.made(orders, maker, terms=terms, advance=self._advance):
                yield number, self._keep(number, data)

        yield from many_in_turns(self.paths, find=self.find, make=make, at_once=engine.at_once)

    def find(self, number: int, *, mine: bool) -> Piece | None:
        """Return the finished shard, None where there is none that can be trusted."""
        found = self._trusted(number, mine=mine)
        if found is None:
            return None
        piece, self._weights[number] = found
        self.advance(self.count(number))
        return piece

    def read(self, number: int) -> Piece:
        """Return a shard that was there before.

        Raises:
            PipelineError: When it no longer is, or cannot be trusted any more.
        """
        found = self._trusted(number, mine=False)
        if found is None:
            raise PipelineError(
                f"{self.paths[number]} was finished, and is gone or no longer as it was written.",
                remedy="run the command again: it is made anew, and all others are kept.",
            )
        return found[0]

    def kept(self) -> str:
        """Say how much of the work is done."""
        done = sum(path.exists() for path in self.paths)
        return f"{self._stage}: {done} of {len(self.paths)} shards, in {self._folder}"

    def _trusted(self, number: int, *, mine: bool) -> tuple[Piece, int] | None:
        """Return a shard and the bytes of its file; what is not to be trusted is set aside."""
        path = self.paths[number]
        data = read_piece(path, self._label(number), mine=mine)
        if data is None:
            return None
        try:
            return self.opened(number, data), len(data)
        except (*UNREADABLE, ValueError):
            # Sealed by us and yet not such a shard: whatever it is, it is not trusted.
            if mine:
                set_aside(path, "damaged")
            return None

    def _keep(self, number: int, data: bytes) -> Piece:
        write_piece(data, self.paths[number])
        self._weights[number] = len(data)
        self.made_rows += self.count(number)
        self._require_space()
        return self.opened(number, data)

    def _advance(self, number: int, rows: int) -> None:
        alive(self.paths[number])
        self.advance(rows)

    def _weigh(self) -> None:
        """Note what the shards weigh that are there."""
        for number, path in enumerate(self.paths):
            with contextlib.suppress(FileNotFoundError):
                self._weights[number] = path.stat().st_size

    def _require_space(self) -> None:
        """Check that there is room for the shards that are not there yet, and for the output.

        Raises:
            PipelineError: When there is not.
        """
        left = len(self.paths) - len(self._weights)
        if not left:
            return
        known = self._weights.values()
        shard = sum(known) / len(known) if known else self.expected / len(self.paths)
        purpose = f"{left} of {len(self.paths)} shards of {self._stage}"
        if self.output is None:
            require_space(self._folder, left * shard, purpose=purpose)
        else:
            whole = len(self.paths) * shard
            require_space_for_output(
                self._folder, self.output.parent, left * shard, whole=whole, purpose=purpose
            )

    def _input(self, number: int) -> pl.DataFrame:
        return self.rows.part(number * self._shard_rows, self._shard_rows)

    def _label(self, number: int) -> str:
        return f"{self._stage} {self._folder.name} shard {number} rows {self.results(number)}"
