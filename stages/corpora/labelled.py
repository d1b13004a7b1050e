"""Triplets that people labelled, read from their files, to train on beside the written ones."""

from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

from stages.corpora.normal_form import normalise, sentence_id
from stages.corpora.reading import read_column
from stages.tables.columns import TEXTS
from stages.tables.schemas import LABELLED


@dataclass(frozen=True)
class Labelled:
    """The triplets that stay, LABELLED (see stages.tables.schemas), and what became of all rows."""

    triplets: pl.DataFrame
    read: int
    empty: int
    overlong: int
    duplicates: int

    def counts(self) -> dict[str, int]:
        """Return the counts by name, those kept last."""
        rest = {name: count for name, count in asdict(self).items() if name != "triplets"}
        return {**rest, "kept": len(self.triplets)}


def read_labelled(path: Path, *, max_characters: int) -> Labelled:
    """Read the columns premise, entailment and contradiction; a file without rows is welcome.

    Sentences are brought into their normal form. A triplet is left out when one of its sentences
    is empty or longer than ``max_characters``, or when the same triplet came before.

    Args:
        path: A .csv, .tsv, .jsonl or .parquet file; other columns are not read.
        max_characters: Longest sentence, in Unicode characters.

    Raises:
        PipelineError: When the file is missing or malformed, or a column is not there.
    """
    columns = [normalise(read_column(path, column=name)).alias(name) for name in TEXTS]
    rows = pl.DataFrame(columns)
    lengths = [pl.col(name).str.len_chars() for name in TEXTS]
    filled = rows.filter(pl.all_horizontal(length > 0 for length in lengths))
    short = filled.filter(pl.all_horizontal(length <= max_characters for length in lengths))
    kept = short.unique(maintain_order=True)
    ids = pl.Series("id", [sentence_id(text) for text in kept["premise"]], dtype=pl.String)
    return Labelled(
        kept.with_columns(ids).select(LABELLED.keys()),
        read=len(rows),
        empty=len(rows) - len(filled),
        overlong=len(filled) - len(short),
        duplicates=len(short) - len(kept),
    )
