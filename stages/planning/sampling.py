"""Tables for a calibration run: the first rows of what a stage wrote, as input of the next."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.tables.columns import TEXTS, WRITTEN
from stages.tables.reading import read_table
from stages.tables.schemas import CURATED, SENTENCES, TRIPLETS
from stages.tables.writing import write_table


def evenly(sentences: Sequence[str], count: int) -> list[str]:
    """Return ``count`` of ``sentences`` at equal distances, all where there are no more.

    >>> evenly(["a", "b", "c", "d"], 2)
    ['a', 'c']
    """
    if len(sentences) <= count:
        return list(sentences)
    return [sentences[place * len(sentences) // count] for place in range(count)]


def write_sentences(sentences: Sequence[str], path: Path) -> None:
    """Write ``sentences`` as stage prepare would."""
    rows = {
        "id": [f"{number:016x}" for number in range(len(sentences))],
        "sentence": list(sentences),
        "line": range(len(sentences)),
    }
    write_table(pl.DataFrame(rows, schema=SENTENCES), path)


def write_first_triplets(source: Path, path: Path, *, rows: int) -> None:
    """Write the first ``rows`` that stage generate wrote."""
    write_table(read_table(source, TRIPLETS).head(rows), path)


def write_curated(source: Path, path: Path, *, rows: int) -> None:
    """Write ``rows`` triplets to train on, made of those that stage generate wrote.

    Where there are fewer, they come again with a number behind each text: a batch takes no text
    twice. Empty answers are left out.
    """
    written = read_table(source, TRIPLETS).filter(
        *(pl.col(name).str.len_chars() > 0 for name in TEXTS)
    )
    rounds = -(-rows // max(1, len(written)))
    copies = [
        written.with_columns(
            pl.format("{} {}", pl.col(name), pl.lit(number)).alias(name) for name in TEXTS
        )
        if number
        else written
        for number in range(rounds)
    ]
    table = pl.concat(copies).head(rows).with_row_index("row")
    judged = table.with_columns(
        pl.format("{}", pl.col("row")).alias("id"),
        pl.lit(5.0).alias("entailment_score"),
        pl.lit(0.0).alias("contradiction_score"),
        pl.lit("").alias("entailment_answer"),
        pl.lit("").alias("contradiction_answer"),
    ).with_columns(pl.concat_list(f"{side}_score").alias(f"{side}_scores") for side in WRITTEN)
    write_table(judged.select(CURATED.keys()), path)


def texts_in(path: Path) -> tuple[list[str], list[str]]:
    """Return the premises and the answers of a table of triplets."""
    table = read_table(path, TRIPLETS, columns=TEXTS)
    return table["premise"].to_list(), [
        *table["entailment"].to_list(),
        *table["contradiction"].to_list(),
    ]
