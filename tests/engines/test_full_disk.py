"""A disk that runs full in the middle: finished shards and the previous output stay whole."""

import errno
import random
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from stages.engines import pieces
from stages.errors import PipelineError
from stages.progress import silent
from stages.tables.replacing import replacing
from stages.tables.writing import write_table
from tests.engines.frames import run_in_shards
from tests.engines.test_disk import Disk
from tests.engines.test_shards import PLAN, SCHEMA, TABLE, Squarer

LONG = {"n": pl.Int64, "noise": pl.String}
PLAN_OF_NOISE = replace(PLAN, stage="noise", schema=LONG, shard_rows=1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 256 KiB; skipped where this process may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount, umount = shutil.which("mount"), shutil.which("umount")
    if mount is None or umount is None:
        pytest.skip("there is no mount")
    command = [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("mounting takes more rights than this process has")
    yield folder
    subprocess.run([umount, str(folder)], check=True)


def noise(batch: pl.DataFrame) -> pl.DataFrame:
    """Return some 64 KiB a row that cannot be compressed."""
    rows = [random.Random(n).randbytes(32 * 1024).hex() for n in batch["n"]]
    return pl.DataFrame({"n": batch["n"], "noise": rows}, schema=LONG)


def test_what_is_finished_is_kept_and_a_larger_disk_goes_on(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_table(TABLE, small_disk / "data/old.parquet")
    before = (small_disk / "data/old.parquet").read_bytes()
    computed: list[int] = []

    def noted(batch: pl.DataFrame) -> pl.DataFrame:
        computed.extend(batch["n"])
        return noise(batch)

    def run() -> pl.DataFrame:
        return run_in_shards(
            TABLE, noted, PLAN_OF_NOISE, work=small_disk / ".work", progress=silent
        )

    with monkeypatch.context() as patch:  # statistics that promise too much: a quota, a neighbour
        patch.setattr(shutil, "disk_usage", lambda _: Disk(free=2**40))
        with pytest.raises(PipelineError, match=r"could not be written: .*No space left"):
            run()
    done = len(computed) - 1
    assert 1 <= done < 10
    assert len(list(small_disk.rglob("shard-*.parquet"))) == done
    assert not list(small_disk.rglob("*.tmp"))
    assert (small_disk / "data/old.parquet").read_bytes() == before
    with pytest.raises(PipelineError, match=r"too small for .* of 10 shards of noise"):
        run()
    assert len(computed) == done + 1  # refused before anything was asked
    enlarge = ["mount", "-o", "remount,size=8m", str(small_disk)]
    subprocess.run(enlarge, check=True)
    assert run()["n"].to_list() == list(range(10))
    assert computed == [*range(done + 1), *range(done, 10)]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_write_that_fails_loses_the_shard_in_flight_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    whole = pieces.write_piece

    def failing(data: bytes, path: Path) -> None:
        if path.name == "shard-000001.parquet":
            with replacing(path) as temporary:
                temporary.write_bytes(data[: len(data) // 2])
                raise OSError(code, "injected")
        whole(data, path)

    def run(squarer: Squarer) -> pl.DataFrame:
        return run_in_shards(TABLE, squarer, PLAN, work=tmp_path, progress=silent)

    with monkeypatch.context() as patch:
        patch.setattr("stages.engines.series.write_piece", failing)
        with pytest.raises(PipelineError, match=r"shard-000001\.parquet could not be written"):
            run(Squarer())
    assert [p.name for p in tmp_path.rglob("*shard*")] == ["shard-000000.parquet"]
    rest = Squarer()
    assert run(rest).schema == pl.Schema(SCHEMA)
    assert rest.asked == [4, 5, 6, 7, 8, 9]
