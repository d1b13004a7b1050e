"""Tables of millions of rows, as a scripted model would leave them, written a part at a time.

Texts are the starter corpus' sentences with a clause that makes each distinct, so that lengths and
letters are those of real ones. Equal arguments give equal tables.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from stages.tables.schemas import SCORED, SENTENCES, TRIPLETS
from stages.tables.writing import writing_table

ROOT = Path(__file__).parents[1]
PART_ROWS = 200_000
NAMES = ("Ada", "Ben", "Chloe", "Dev", "Elif", "Farid", "Gwen", "Hugo", "Ines", "Jon")
WRITTEN_AS_IT_IS = 0.03
UNFINISHED = 0.08
LEFTOVER = 0.005


def write_sentences(path: Path, rows: int) -> None:
    """Write ``rows`` sentences as people have them: 2 % repeated, some empty or untidy."""
    with writing_table(path, {"sentence": pl.String}) as writer:
        for numbers, draws in _parts(rows):
            repeated = pl.Series(draws.random(len(numbers)) < 0.02)
            number = pl.Series(numbers).zip_with(~repeated, pl.Series(numbers) // 2)
            text = _texts(number, salt=0)
            fate = pl.Series("fate", draws.random(len(numbers)))
            told = (
                pl.when(fate < 0.01)
                .then(pl.lit("  "))
                .when(fate < 0.015)
                .then(pl.concat_str(*(5 * [text]), separator=" "))
                .when(fate < 0.06)
                .then(text.str.replace_all(" ", "  ", literal=True))
                .otherwise(text)
            )
            writer.write(pl.select(told.alias("sentence")))


def write_prepared(path: Path, rows: int) -> None:
    """Write ``rows`` distinct sentences as stage prepare leaves them."""
    with writing_table(path, SENTENCES) as writer:
        for numbers, _ in _parts(rows):
            number = pl.Series(numbers)
            columns = {"id": _ids(number), "sentence": _texts(number, salt=0), "line": number}
            writer.write(pl.DataFrame(columns, schema=SENTENCES))


def write_scored(folder: Path, rows: int, *, samples: int = 1) -> None:
    """Write triplets.parquet and scored.parquet of ``rows`` rows into ``folder``."""
    with (
        writing_table(folder / "triplets.parquet", TRIPLETS) as triplets,
        writing_table(folder / "scored.parquet", SCORED) as scored,
    ):
        for numbers, draws in _parts(rows):
            table = _scored(numbers, draws, samples=samples)
            triplets.write(table.select(TRIPLETS.keys()))
            scored.write(table)


def _scored(numbers: np.ndarray, draws: np.random.Generator, *, samples: int) -> pl.DataFrame:
    row, premise = pl.Series(numbers), pl.Series(numbers // samples)
    copies = pl.Series(draws.random(len(row)) < WRITTEN_AS_IT_IS)
    leftover = pl.Series(draws.random(len(row)) < LEFTOVER)
    told, entailed = _texts(premise, salt=0), _texts(row, salt=1)
    a, b = (pl.Series(5 * draws.beta(*shape, len(row))) for shape in ((5, 2), (3, 4)))
    instructions = [f"instruction_{n}" for n in range(4)]
    drawn = [pl.Series(instructions)[draws.integers(0, 4, len(row))] for _ in range(2)]
    finished = [pl.Series(draws.random(len(row)) >= UNFINISHED / 2) for _ in range(2)]
    columns = {
        "id": _ids(premise),
        "sample": row % samples,
        "premise": told,
        "entailment": entailed.zip_with(~copies, told.str.to_uppercase()).zip_with(
            ~leftover, pl.select(pl.lit("Same meaning: ") + entailed).to_series()
        ),
        "contradiction": _texts(row, salt=2),
        "entailment_instruction": drawn[0],
        "contradiction_instruction": drawn[1],
        "entailment_finished": finished[0],
        "contradiction_finished": finished[1],
        "entailment_score": a,
        "contradiction_score": b,
        "entailment_answer": a.round(4).cast(pl.String),
        "contradiction_answer": b.round(4).cast(pl.String),
        "entailment_scores": a.reshape((-1, 1)).arr.to_list(),
        "contradiction_scores": b.reshape((-1, 1)).arr.to_list(),
    }
    return pl.DataFrame(columns).cast(pl.Schema(SCORED)).select(SCORED.keys())


def _ids(number: pl.Series) -> pl.Series:
    return pl.Series([f"{n * 0x9E3779B97F4A7C15 % 2**64:016x}" for n in number.to_list()])


def _texts(number: pl.Series, *, salt: int) -> pl.Series:
    """Return a text for each number, distinct for each number and salt."""
    sentences = pl.Series(_starter())
    place = (number * (7 + 4 * salt) + 101 * salt) % len(sentences)
    told = sentences[place].str.strip_chars_end(".!?")
    name = pl.Series(NAMES)[(number + salt) % len(NAMES)]
    clause = (", as {} saw on day {}.", ", which {} noted under {}.", ", though {} read {}.")[salt]
    return pl.select(pl.concat_str(told, pl.format(clause, name, number))).to_series()


def _starter() -> list[str]:
    lines = (ROOT / "data/starter/premises.tsv").read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[1] for line in lines[1:]]


def _parts(rows: int) -> Iterator[tuple[np.ndarray, np.random.Generator]]:
    for part, start in enumerate(range(0, rows, PART_ROWS)):
        numbers = np.arange(start, min(start + PART_ROWS, rows), dtype=np.int64)
        yield numbers, np.random.default_rng((42, part))


if __name__ == "__main__":
    target, count = Path(sys.argv[1]), int(sys.argv[2])
    write_sentences(target / "raw.parquet", count)
    write_scored(target, count)
