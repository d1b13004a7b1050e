"""What the workers of the tests compute: slow squares, with a note of who was asked what."""

import os
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from stages.engines.ray_engine import RayEngine
from stages.engines.shards import Plan
from stages.progress import silent
from tests.engines.frames import run_in_shards

ROWS_EACH = 2
TABLE = pl.DataFrame(
    {"n": range(60), "text": ["like"] * 60}, schema={"n": pl.Int64, "text": pl.String}
)
SQUARES = [n * n for n in range(60)]
PLAN = Plan(
    stage="square",
    facts={},
    schema={"n": pl.Int64, "square": pl.Int64},
    shard_rows=ROWS_EACH,
    batch_rows=ROWS_EACH,
    alike="text",
)


@dataclass(frozen=True)
class SlowSquares:
    """Squares in so many seconds a shard; appends `pid shard` to a log before."""

    log: str
    seconds: float

    def __call__(self, batch: pl.DataFrame) -> pl.DataFrame:
        asked = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.write(asked, f"{os.getpid()} {batch['n'][0] // ROWS_EACH}\n".encode())
        os.close(asked)
        time.sleep(self.seconds)
        return batch.select("n", square=pl.col("n") ** 2)


def asked(log: Path) -> list[tuple[int, int]]:
    """Return (process, shard) of all that was asked, in order."""
    if not log.is_file():
        return []
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(pid), int(shard)) for pid, shard in lines]


def squared(engine: RayEngine, work: Path, log: Path, *, seconds: float) -> pl.DataFrame:
    """Square the table on ``engine``."""
    maker = SlowSquares(str(log), seconds)
    return run_in_shards(TABLE, maker, replace(PLAN), work=work, progress=silent, engine=engine)


def main(address: str, work: str, log: str, seconds: str) -> None:
    """Be a driver that may be killed; without an address, with a cluster of its own."""
    with RayEngine(address=address or None, workers=2, cpus=1) as engine:
        result = squared(engine, Path(work), Path(log), seconds=float(seconds))
    assert result["square"].to_list() == SQUARES


if __name__ == "__main__":
    main(*sys.argv[1:])
