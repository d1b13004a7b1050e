"""Workers and drivers that are killed at random lose nothing, and repeat what was in flight."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import psutil

from stages.engines.ray_engine import RayEngine
from tests.cluster.conftest import CLUSTER, Head, kills_wanted
from tests.cluster.working import SQUARES, asked, squared

pytestmark = CLUSTER

WORKERS = 2
SECONDS_EACH = 0.2


class Killer(threading.Thread):
    """Kills, again and again, a worker that is at a shard, until it is told to stop."""

    def __init__(self, log: Path, kills: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self.done = threading.Event()
        self._log, self._wanted = log, kills
        self._dice = random.Random(8)

    def run(self) -> None:
        seen: set[int] = set()
        while self.kills < self._wanted and not self.done.wait(0.01):
            fresh = [pid for pid, _ in asked(self._log) if pid not in seen]
            if fresh:
                time.sleep(self._dice.uniform(0, 3 * SECONDS_EACH))
                seen.add(fresh[0])
                os.kill(fresh[0], signal.SIGKILL)
                self.kills += 1


def test_killed_workers_lose_nothing_and_repeat_only_what_was_in_flight(
    cluster: Head, tmp_path: Path
) -> None:
    wanted, kills, runs = kills_wanted(), 0, 0
    with RayEngine(address=cluster.address, workers=WORKERS, cpus=1) as engine:
        while kills < wanted:
            log = tmp_path / f"asked-{runs}"
            killer = Killer(log, min(4, wanted - kills))
            killer.start()
            result = squared(engine, tmp_path / f"work-{runs}", log, seconds=SECONDS_EACH)
            killer.done.set()
            killer.join()
            assert result["square"].to_list() == SQUARES
            times = Counter(shard for _, shard in asked(log))
            assert len(times) == len(SQUARES) // 2
            assert sum(times.values()) - len(times) <= killer.kills
            kills, runs = kills + killer.kills, runs + 1


def test_killed_drivers_lose_nothing_and_repeat_only_what_was_in_flight(
    cluster: Head, tmp_path: Path
) -> None:
    wanted, kills, runs = kills_wanted(), 0, 0
    dice = random.Random(9)
    while kills < wanted:
        log, work = tmp_path / f"asked-{runs}", tmp_path / f"work-{runs}"
        code = None
        killed_here = 0
        while code != 0:
            before = len(asked(log))
            finished = {int(p.stem.split("-")[1]) for p in work.rglob("shard-*.parquet")}
            driver = drive(cluster.address, work, log)
            if kills < wanted and killed_here < 5:
                while driver.poll() is None and len(asked(log)) == before:
                    time.sleep(0.01)
                time.sleep(dice.uniform(0, 5 * SECONDS_EACH))
                driver.kill()
            code = driver.wait(timeout=120)
            assert code in {0, -signal.SIGKILL}
            kills, killed_here = kills + (code != 0), killed_here + (code != 0)
            again = {shard for _, shard in asked(log)[before:]} & finished
            assert again == set(), "finished shards are not asked again"
        times = Counter(shard for _, shard in asked(log))
        assert len(times) == len(SQUARES) // 2
        assert sum(times.values()) - len(times) <= killed_here * WORKERS
        runs += 1


def test_a_killed_driver_leaves_nothing_of_a_cluster_of_its_own(tmp_path: Path) -> None:
    log = tmp_path / "asked"
    driver = drive("", tmp_path / "work", log)
    while len(asked(log)) < 2:
        assert driver.poll() is None
        time.sleep(0.05)
    started = psutil.Process(driver.pid).children(recursive=True)
    assert len(started) > WORKERS
    driver.kill()
    driver.wait()
    # Ray's agents look for their parent from time to time.
    _, alive = psutil.wait_procs(started, timeout=120)
    assert alive == []


def drive(address: str, work: Path, log: Path) -> "subprocess.Popen[bytes]":
    """Start a driver in a process of its own."""
    words = [sys.executable, "-m", "tests.cluster.working", address, work, log, SECONDS_EACH]
    environment = {**os.environ, "RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE", "token")}
    return subprocess.Popen(list(map(str, words)), env=environment)
