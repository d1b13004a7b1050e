"""What the files of a task hold, once read and checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.evaluation.tasks.definitions import Task


@dataclass(frozen=True)
class GradedPairs:
    """Kind ``sts``: PAIRS, see stages/tables/schemas.py."""

    table: pl.DataFrame


@dataclass(frozen=True)
class LabelledRows:
    """Kind ``classification``: tables by role with ``label`` and sentences, all text."""

    tables: Mapping[str, pl.DataFrame]

    @property
    def columns(self) -> list[str]:
        """The columns that hold sentences."""
        return [name for name in self.first.columns if name != "label"]

    @property
    def first(self) -> pl.DataFrame:
        """The table that is trained on."""
        return next(iter(self.tables.values()))


@dataclass(frozen=True)
class Collection:
    """Kind ``retrieval``: the corpus stays in its file, for it may be larger than the memory.

    Attributes:
        corpus: The file of documents.
        documents: How many it holds.
        queries: Text by id; only queries that have a relevant document.
        relevant: By query, the grade of each judged document.
    """

    corpus: Path
    documents: int
    queries: Mapping[str, str]
    relevant: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class AlignedLines:
    """Kind ``bitext``: line ``i`` of one side means what line ``i`` of the other means."""

    left: list[str]
    right: list[str]


Data = GradedPairs | LabelledRows | Collection | AlignedLines


@dataclass(frozen=True)
class LoadedTask:
    """A task and what its files hold."""

    task: Task
    data: Data

    def sentences(self) -> Iterator[str]:
        """Yield all sentences of the task but a corpus' documents; they may repeat."""
        match self.data:
            case GradedPairs(table):
                yield from table["sentence1"]
                yield from table["sentence2"]
            case LabelledRows(tables):
                for table in tables.values():
                    for column in self.data.columns:
                        yield from table[column]
            case Collection():
                yield from self.data.queries.values()
            case AlignedLines(left, right):
                yield from left
                yield from right
