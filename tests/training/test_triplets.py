"""Which triplets are trained on."""

from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from stages.errors import PipelineError
from stages.tables.schemas import LABELLED
from stages.tables.writing import write_table
from stages.training.triplets import Triplets, read_triplets
from tests.curation import tables_at_hand

WRITTEN, LABELS = 30, 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table(tables_at_hand.curated(WRITTEN), tmp_path / "curated.parquet")
    people = {name: [f"{name} of people {row}" for row in range(LABELS)] for name in LABELLED}
    write_table(pl.DataFrame(people, schema=LABELLED), tmp_path / "labelled.parquet")
    return tmp_path


def read(
    folder: Path, *, labelled: bool = True, limit: int | None = None, seed: int = 1
) -> Triplets:
    people = folder / "labelled.parquet" if labelled else None
    return read_triplets(
        folder / "curated.parquet", people, batch_triplets=8, limit=limit, seed=seed
    )


def test_all_are_taken_when_nothing_limits_them(folder: Path) -> None:
    for limit in (None, 50, 51):
        taken = read(folder, limit=limit)
        assert (len(taken.table), taken.labelled) == (50, 20)
    assert read(folder, labelled=False).labelled == 0


def test_so_many_are_drawn_in_their_order_and_the_labelled_among_them_are_counted(
    folder: Path,
) -> None:
    everything = read(folder).table["premise"].to_list()
    drawn = read(folder, limit=24)
    premises = drawn.table["premise"].to_list()
    assert len(premises) == 24
    assert premises == [one for one in everything if one in set(premises)]
    assert drawn.labelled == sum("of people" in one for one in premises) > 0


def test_the_seed_draws_and_every_triplet_is_as_likely(folder: Path) -> None:
    assert read(folder, limit=10).table.equals(read(folder, limit=10).table)
    seeds = range(400)
    drawn = [read(folder, limit=10, seed=seed).table["premise"].to_list() for seed in seeds]
    times = Counter(premise for premises in drawn for premise in premises)
    # Of 400 draws each of 50 triplets is in 80, give or take 8; five times that never happens.
    assert len(times) == 50
    assert all(40 <= count <= 120 for count in times.values())


def test_a_limit_below_one_batch_is_refused(folder: Path) -> None:
    with pytest.raises(PipelineError, match=r"train\.limit = 7 is less than one batch of 8"):
        read(folder, limit=7)
