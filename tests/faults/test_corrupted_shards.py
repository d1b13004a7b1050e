"""A shard that is not what was written is never taken for the truth: a thousand of them."""

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from stages.engines.shards import Plan
from stages.progress import silent
from tests.engines.frames import run_in_shards
from tests.faults.conftest import Figure, tries

pytestmark = pytest.mark.faults

ROWS, SHARD_ROWS = 24, 8
SCHEMA = {"n": pl.Int64, "answer": pl.String}
TABLE = pl.DataFrame(
    {"n": range(ROWS), "text": [f"Sentence {n}." for n in range(ROWS)]},
    schema={"n": pl.Int64, "text": pl.String},
)


class Writer:
    """Writes an answer to every row, and remembers which rows it was asked about."""

    def __init__(self, form: str) -> None:
        self.form = form
        self.asked: set[int] = set()

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        self.asked |= set(batch["n"])
        answers = [self.form.format(n) for n in batch["n"]]
        return pl.DataFrame({"n": batch["n"], "answer": answers}, schema=SCHEMA)


def written(work: Path, *, form: str = "Answer {}.") -> tuple[pl.DataFrame, set[int]]:
    """Return the table of all answers, and the rows that had to be asked about for it."""
    plan = Plan(
        stage="write",
        facts={"form": form},
        schema=SCHEMA,
        shard_rows=SHARD_ROWS,
        batch_rows=SHARD_ROWS,
        alike="text",
    )
    writer = Writer(form)
    return run_in_shards(TABLE, writer, plan, work=work, progress=silent), writer.asked


Damage = Callable[[Path, list[Path], random.Random], set[Path]]


def cut_short(shard: Path, _: list[Path], dice: random.Random) -> set[Path]:
    shard.write_bytes(shard.read_bytes()[: dice.randrange(shard.stat().st_size)])
    return {shard}


def flip_a_bit(shard: Path, _: list[Path], dice: random.Random) -> set[Path]:
    data = bytearray(shard.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    shard.write_bytes(data)
    return {shard}


def swap(shard: Path, others: list[Path], dice: random.Random) -> set[Path]:
    other = dice.choice([one for one in others if one.parent == shard.parent and one != shard])
    mine, its = shard.read_bytes(), other.read_bytes()
    shard.write_bytes(its)
    other.write_bytes(mine)
    return {shard, other}


def zero(shard: Path, _: list[Path], dice: random.Random) -> set[Path]:
    """As a file system does that had written down the size, but not yet the content."""
    data = bytearray(shard.read_bytes())
    start = dice.randrange(len(data)) if dice.random() < 0.5 else 0
    stop = min(len(data), start + dice.choice([1, 16, 512, len(data)]))
    while not any(data[start:stop]):  # zeros there already would be no damage
        start, stop = 0, len(data)
    data[start:stop] = bytes(stop - start)
    shard.write_bytes(data)
    return {shard}


def replace_by_another_settings(shard: Path, others: list[Path], _: random.Random) -> set[Path]:
    (other,) = (one for one in others if one.name == shard.name and one.parent != shard.parent)
    shard.write_bytes(other.read_bytes())
    return {shard}


DAMAGES: list[Damage] = [cut_short, flip_a_bit, swap, zero, replace_by_another_settings]


def test_every_damaged_shard_is_detected_and_made_again(tmp_path: Path, figure: Figure) -> None:
    expected, _ = written(tmp_path / "sound")
    written(tmp_path / "sound", form="Another answer {}.")
    shards = sorted((tmp_path / "sound").rglob("shard-*.parquet"))
    dice = random.Random("damage")
    tried = detected = 0
    for number in range(tries(1000, short=50)):
        work = tmp_path / "damaged"
        shutil.copytree(tmp_path / "sound", work)
        found = [work / shard.relative_to(tmp_path / "sound") for shard in shards]
        own = [path for path in found if folder_of(path, expected)]
        damaged = DAMAGES[number % len(DAMAGES)](dice.choice(own), found, dice)
        table, asked = written(work)
        assert table.equals(expected)
        missed = {path for path in damaged if not set(rows_of(path)) <= asked}
        assert asked == {row for path in damaged - missed for row in rows_of(path)}
        tried += len(damaged)
        detected += len(damaged) - len(missed)
        shutil.rmtree(work)
    assert detected == tried
    about = ", ".join(damage.__name__.replace("_", " ") for damage in DAMAGES)
    figure("corrupted_shards.tried", tried, unit="shards", about=about)
    figure("corrupted_shards.detected", detected, unit="shards", about="set aside and made again")


def rows_of(shard: Path) -> range:
    """Return the rows of a shard by its number."""
    number = int(shard.stem.rpartition("-")[2])
    return range(number * SHARD_ROWS, (number + 1) * SHARD_ROWS)


def folder_of(shard: Path, expected: pl.DataFrame) -> bool:
    """Say whether ``shard`` belongs to the table ``expected``, and not to the other setting's."""
    return pl.read_parquet(shard)["answer"][0] in set(expected["answer"])
