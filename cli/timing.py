"""What a stage cost: the `--timing` option of every stage command."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cli.machine import describe_machine, is_first_process, versions


@dataclass
class Cost:
    """What the block of :func:`timed` may add to the record."""

    workers: Sequence[Mapping[str, object]] = ()
    """What each worker of the engine has done, where shards were made."""


@contextmanager
def timed(stage: str, path: Path | None) -> Iterator[Cost]:
    """Write seconds and peak memory of the block to ``path``, once it has ended well.

    The seconds include importing what the stage needs; the memory is of this process, not of an
    engine's workers. Without ``path``, and in all but the first of processes that work together,
    nothing is written.
    """
    start = time.perf_counter()
    cost = Cost()
    yield cost
    if path is None or not is_first_process():
        return
    from stages.tables.json_files import write_json

    record = {
        "stage": stage,
        "seconds": round(time.perf_counter() - start, 3),
        "peak_mib": peak_mebibytes(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": versions(),
        **({"workers": list(cost.workers)} if cost.workers else {}),
    }
    write_json(record, path)


def peak_mebibytes() -> float:
    """Return the most main memory this process has held so far, in MiB."""
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
