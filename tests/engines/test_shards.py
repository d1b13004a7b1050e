import gc
import shutil
import subprocess
import sys
import time
import weakref
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.engines.folders import IN_USE, MadeWith
from stages.engines.folders import PLAN as PLAN_FILE
from stages.engines.locks import is_held
from stages.engines.pieces import SAID
from stages.engines.shards import Plan, Shards
from stages.errors import PipelineError
from stages.progress import silent
from stages.tables.json_files import read_json
from stages.tables.rows import RowsInMemory
from tests.engines.frames import run_in_shards
from tests.engines.test_disk import Disk

SCHEMA = {"n": pl.Int64, "square": pl.Int64}
INPUT = {"n": pl.Int64, "text": pl.String}
TABLE = pl.DataFrame({"n": range(10), "text": ["like"] * 10}, schema=INPUT)
PLAN = Plan(stage="square", facts={}, schema=SCHEMA, shard_rows=4, batch_rows=3, alike="text")


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
    plan = replace(PLAN, shard_rows=shard_rows, batch_rows=batch_rows)
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


@pytest.mark.parametrize("damage", ["emptied", "torn", "cut", "flipped", "zeroed", "swapped"])
def test_a_shard_that_cannot_be_trusted_is_set_aside_and_computed_again(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = squared(tmp_path, Squarer())
    (shard,) = tmp_path.rglob("shard-000001.parquet")
    found = damaged(shard, damage)
    shard.write_bytes(found)
    again = Squarer()
    assert squared(tmp_path, again).equals(whole)
    assert again.asked == [4, 5, 6, 7]
    fault = "foreign" if damage == "swapped" else "damaged"
    kept = shard.with_name(f"{shard.name}.{fault}-1")
    assert kept.read_bytes() == found
    assert [record.message for record in caplog.records] == [
        f"{shard} {SAID[fault]}; it is kept as {kept.name} and made again"
    ]


def damaged(shard: Path, damage: str) -> bytes:
    whole = shard.read_bytes()
    middle = len(whole) // 2
    return {
        "emptied": b"",
        "torn": whole[:middle] + bytes(len(whole) - middle),
        "cut": whole[:-20],
        "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        "zeroed": bytes(len(whole)),
        "swapped": shard.with_name("shard-000000.parquet").read_bytes(),
    }[damage]


def test_a_shard_of_another_setting_is_recognised(tmp_path: Path) -> None:
    other = TABLE.with_columns(n=pl.col("n") + 100)
    squared(tmp_path / "other", Squarer(), table=other)
    whole = squared(tmp_path / "mine", Squarer())
    (foreign,) = (tmp_path / "other").rglob("shard-000001.parquet")
    (mine,) = (tmp_path / "mine").rglob("shard-000001.parquet")
    mine.write_bytes(foreign.read_bytes())
    again = Squarer()
    assert squared(tmp_path / "mine", again).equals(whole)
    assert again.asked == [4, 5, 6, 7]
    assert mine.with_name(f"{mine.name}.foreign-1").exists()


SHARING = """
import sys, time
from pathlib import Path
import polars as pl
from tests.engines.frames import run_in_shards
from stages.progress import silent
from tests.engines.test_shards import PLAN, TABLE

def slowly(batch):
    with open(sys.argv[2], "a") as asked:
        asked.write("".join(f"{n}\\n" for n in batch["n"]))
    time.sleep(0.1)
    return batch.select("n", square=pl.col("n") ** 2)

Path(f"{sys.argv[2]}.ready").touch()
while not Path(sys.argv[3]).exists():
    time.sleep(0.01)
result = run_in_shards(TABLE, slowly, PLAN, work=Path(sys.argv[1]), progress=silent)
assert result["square"].to_list() == [n * n for n in range(10)]
"""


@pytest.mark.slow
def test_two_processes_share_the_shards_and_both_have_the_whole_table(tmp_path: Path) -> None:
    logs = [tmp_path / "one", tmp_path / "two"]
    words = [sys.executable, "-c", SHARING, str(tmp_path / "work")]
    started = [subprocess.Popen([*words, str(log), str(tmp_path / "go")]) for log in logs]
    while not all(log.with_name(f"{log.name}.ready").exists() for log in logs):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert [process.wait(timeout=60) for process in started] == [0, 0]
    asked = [log.read_text().split() if log.exists() else [] for log in logs]
    assert sorted(int(n) for one in asked for n in one) == list(range(10))
    assert all(asked)


def test_the_folder_says_what_it_is_for_and_is_marked_while_it_is_used(tmp_path: Path) -> None:
    marked: list[bool] = []

    def looking(batch: pl.DataFrame) -> pl.DataFrame:
        (folder,) = (tmp_path / "square").iterdir()
        marked.append(is_held(folder / IN_USE))
        return Squarer()(batch)

    made_with = MadeWith(settings={"square.power": 2}, files={"n.parquet": "1f"}, code=["stages"])
    plan = replace(PLAN, facts={"power": 2, "long": "x" * 5000}, made_with=made_with)
    run_in_shards(TABLE, looking, plan, work=tmp_path, progress=silent)
    (folder,) = (tmp_path / "square").iterdir()
    assert marked == [True] * 5
    assert not is_held(folder / IN_USE)
    told = read_json(folder / PLAN_FILE)
    assert (told["stage"], told["rows"], told["shards"]) == ("square", 10, 3)
    assert told["settings"] == {"square.power": 2}
    assert told["files"] == {"n.parquet": "1f"}
    assert told["facts"]["power"] == 2
    assert len(told["facts"]["long"]) < 2000


def test_too_small_a_disk_is_told_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    squarer = Squarer()
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Disk(free=10))
        with pytest.raises(PipelineError, match="too small for 3 of 3 shards of square: about"):
            squared(tmp_path, squarer)
    assert squarer.asked == []
    assert len(squared(tmp_path, squarer)) == 10


def test_a_disk_that_runs_full_stops_with_the_finished_shards_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = iter([2**30, 10])
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda _: Disk(free=next(room)))
        with pytest.raises(PipelineError, match="too small for 2 of 3 shards"):
            squared(tmp_path, Squarer())
    rest = Squarer()
    assert squared(tmp_path, rest)["square"].to_list() == [n * n for n in range(10)]
    assert rest.asked == [4, 5, 6, 7, 8, 9]


class Watched(RowsInMemory):
    """Rows that remember which of them were asked for, once their digest is known."""

    def __init__(self, table: pl.DataFrame) -> None:
        super().__init__(table)
        assert self.digest
        self.asked: list[int] = []

    def part(self, start: int, rows: int) -> pl.DataFrame:
        if "digest" in vars(self):
            self.asked.append(start)
        return super().part(start, rows)


def test_only_the_rows_of_missing_shards_are_read_each_when_its_turn_comes(tmp_path: Path) -> None:
    rows = Watched(TABLE)
    seen: list[list[int]] = []

    def noted(batch: pl.DataFrame) -> pl.DataFrame:
        seen.append(list(rows.asked))
        return Squarer()(batch)

    with Shards(rows, PLAN, work=tmp_path) as shards:
        shards.make(noted, progress=silent)
    assert seen == [[0], [0], [0, 4], [0, 4], [0, 4, 8]]
    (lost,) = tmp_path.rglob("shard-000001.parquet")
    lost.unlink()
    again = Watched(TABLE)
    with Shards(again, PLAN, work=tmp_path) as shards:
        shards.make(Squarer(), progress=silent)
        assert pl.concat(shards)["n"].to_list() == list(range(10))
    assert again.asked == [4]


@pytest.mark.parametrize("damage", ["gone", "emptied", "torn", "flipped", "swapped"])
def test_a_shard_that_is_damaged_before_it_is_put_to_the_others_is_told_and_made_anew(
    tmp_path: Path, damage: str
) -> None:
    given: list[pl.DataFrame] = []

    def put_together() -> None:
        for part in shards:
            given.append(part)

    with Shards(RowsInMemory(TABLE), PLAN, work=tmp_path) as shards:
        shards.make(Squarer(), progress=silent)
        (shard,) = tmp_path.rglob("shard-000001.parquet")
        if damage == "gone":
            shard.unlink()
        else:
            shard.write_bytes(damaged(shard, damage))
        with pytest.raises(PipelineError, match=r"shard-000001\.parquet was finished, and is gone"):
            put_together()
    assert given == []
    again = Squarer()
    assert squared(tmp_path, again)["n"].to_list() == list(range(10))
    assert again.asked == [4, 5, 6, 7]


def test_some_finished_shards_are_given_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stages.engines.shards.RESULTS_AT_ONCE", 9)
    with Shards(RowsInMemory(TABLE), PLAN, work=tmp_path) as shards:
        shards.make(Squarer(), progress=silent)
        assert [part["n"].to_list() for part in shards] == [[*range(8)], [8, 9]]
        assert [len(part) for part in shards] == [8, 2]  # as often as they are wanted


def test_who_is_stopped_while_shards_are_put_together_is_told_what_is_kept(tmp_path: Path) -> None:
    shards = Shards(RowsInMemory(TABLE), PLAN, work=tmp_path)

    def put_together() -> None:
        with shards:
            shards.make(Squarer(), progress=silent)
            assert is_held(shards.folder / IN_USE)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as stopped:
        put_together()
    assert stopped.value.__notes__ == [f"square: 3 of 3 shards, in {shards.folder}"]
    assert not is_held(shards.folder / IN_USE)


def test_what_computes_is_forgotten_when_the_shards_are_made(tmp_path: Path) -> None:
    squarer = Squarer()
    there = weakref.ref(squarer)
    with Shards(RowsInMemory(TABLE), PLAN, work=tmp_path) as shards:
        shards.make(squarer, progress=silent)
        del squarer
        gc.collect()
        assert there() is None
        assert len(list(shards)) == 1


def test_an_empty_table_gives_an_empty_result_with_columns(tmp_path: Path) -> None:
    result = squared(tmp_path, Squarer(), table=TABLE.clear())
    assert result.schema == pl.Schema(SCHEMA)
