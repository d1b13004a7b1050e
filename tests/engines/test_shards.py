from pathlib import Path

import polars as pl
import pytest

from stages.engines.shards import Plan, fingerprint, run_in_shards, source_digest
from stages.progress import silent

SCHEMA = {"n": pl.Int64, "square": pl.Int64}
INPUT = {"n": pl.Int64, "text": pl.String}
TABLE = pl.DataFrame({"n": range(10), "text": ["like"] * 10}, schema=INPUT)


class Squarer:
    """Squares, counts what it was asked, and dies when told to."""

    def __init__(self, *, dies_at: int | None = None) -> None:
        self.asked: list[int] = []
        self.dies_at = dies_at

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        if self.dies_at in batch["n"]:
            raise KeyboardInterrupt
        self.asked += batch["n"].to_list()
        return batch.select("n", square=pl.col("n") ** 2)


def squared(
    work: Path,
    squarer: Squarer,
    *,
    table: pl.DataFrame = TABLE,
    shard_rows: int = 4,
    batch_rows: int = 3,
) -> pl.DataFrame:
    plan = Plan(
        stage="square",
        facts={},
        schema=SCHEMA,
        shard_rows=shard_rows,
        batch_rows=batch_rows,
        alike="text",
    )
    return run_in_shards(table, squarer, plan, work=work, progress=silent)


def test_results_come_in_the_order_of_the_input(tmp_path: Path) -> None:
    assert squared(tmp_path, Squarer())["square"].to_list() == [n * n for n in range(10)]


def test_rows_of_like_length_are_computed_together_and_come_back_in_order(tmp_path: Path) -> None:
    lengths = [3, 1, 2, 3, 9, 2]
    table = pl.DataFrame({"n": range(6), "text": ["x" * n for n in lengths]}, schema=INPUT)
    squarer = Squarer()
    result = squared(tmp_path, squarer, table=table, shard_rows=4, batch_rows=2)
    assert squarer.asked == [0, 3, 2, 1, 4, 5]
    assert result["n"].to_list() == list(range(6))


def test_long_rows_are_computed_fewer_at_a_time(tmp_path: Path) -> None:
    lengths = [20, 1600, 3000, 30, 800, 40, 50]
    table = pl.DataFrame({"n": range(7), "text": ["x" * n for n in lengths]}, schema=INPUT)
    batches: list[list[int]] = []

    def noted(batch: pl.DataFrame) -> pl.DataFrame:
        batches.append(batch["n"].to_list())
        return Squarer()(batch)

    plan = Plan(stage="long", facts={}, schema=SCHEMA, shard_rows=7, batch_rows=4, alike="text")
    result = run_in_shards(table, noted, plan, work=tmp_path, progress=silent)
    assert batches == [[2], [1], [4, 6], [5, 3, 0]]
    assert result["n"].to_list() == list(range(7))


def test_several_results_of_a_row_stay_side_by_side(tmp_path: Path) -> None:
    table = pl.DataFrame({"n": range(5), "text": ["a", "aaa", "aa", "aaaa", ""]}, schema=INPUT)
    plan = Plan(
        stage="twice",
        facts={},
        schema=SCHEMA,
        shard_rows=3,
        batch_rows=2,
        alike="text",
        results_each=2,
    )

    def twice(batch: pl.DataFrame) -> pl.DataFrame:
        numbers = [n for n in batch["n"] for _ in range(2)]
        return pl.DataFrame({"n": numbers, "square": [0, 1] * len(batch)}, schema=SCHEMA)

    for _ in range(2):  # the second time from the finished shards
        result = run_in_shards(table, twice, plan, work=tmp_path, progress=silent)
        assert result["n"].to_list() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
        assert result["square"].to_list() == [0, 1] * 5


def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    first = squared(tmp_path, Squarer())
    again = Squarer()
    assert squared(tmp_path, again).equals(first)
    assert again.asked == []


def test_a_stopped_run_goes_on_where_it_stopped_and_ends_the_same(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        squared(tmp_path / "stopped", Squarer(dies_at=6))
    rest = Squarer()
    result = squared(tmp_path / "stopped", rest)
    assert result.equals(squared(tmp_path / "unbroken", Squarer()))
    assert rest.asked == [4, 5, 6, 7, 8, 9]


def test_batch_size_changes_nothing_that_is_kept(tmp_path: Path) -> None:
    small = squared(tmp_path / "small", Squarer(), batch_rows=1)
    assert squared(tmp_path / "large", Squarer(), batch_rows=100).equals(small)


@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_damaged_shard_is_computed_again(tmp_path: Path, content: bytes | None) -> None:
    whole = squared(tmp_path, Squarer())
    (shard,) = tmp_path.rglob("shard-000001.parquet")
    shard.write_bytes(shard.read_bytes()[:-20] if content is None else content)
    again = Squarer()
    assert squared(tmp_path, again).equals(whole)
    assert again.asked == [4, 5, 6, 7]


def test_an_empty_table_gives_an_empty_result_with_columns(tmp_path: Path) -> None:
    result = squared(tmp_path, Squarer(), table=TABLE.clear())
    assert result.schema == pl.Schema(SCHEMA)


def test_the_fingerprint_changes_with_settings_rows_and_their_order() -> None:
    facts = {"omega": 0.3, "seed": 1}
    same = fingerprint({"seed": 1, "omega": 0.3}, TABLE)
    assert fingerprint(facts, TABLE) == same
    others = [
        fingerprint({**facts, "omega": 0.5}, TABLE),
        fingerprint(facts, TABLE.reverse()),
        fingerprint(facts, TABLE.head(9)),
    ]
    assert len({same, *others}) == 4


def test_the_source_digest_knows_its_modules() -> None:
    assert source_digest("stages.errors") != source_digest("stages.errors", "stages.tables")
    with pytest.raises(ValueError, match=r"no module stages\.nowhere"):
        source_digest("stages.nowhere")
