"""The engine ``ray``: Ray Data hands the shards that are missing to workers of a cluster.

Each worker is an actor with its share of cores or GPUs that loads the model once. It has one shard
at a time (back-pressure); Ray Data gives the shard of a lost worker to another one.
"""

import logging
import resource
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from stages.engines.digests import package_digest
from stages.engines.hardware import Hardware, hardware_here
from stages.engines.protocol import Maker, Order, Terms, Throughput, told
from stages.engines.ray_connection import connected, imported, translated
from stages.engines.ray_worker import (
    Place,
    RayWorker,
    Reply,
    check_code,
    look_around,
    packed,
    raise_what_went_wrong,
    replied,
)
from stages.errors import PipelineError

log = logging.getLogger(__name__)

SHARDS_EACH = 64
"""Shards a worker that are given to Ray in one go: they lie in its memory, and their locks are held
here. After them the workers are started anew, so it should be many."""
IN_FLIGHT = 1
"""Shards a worker has at once. A second one would only wait for the first, while another worker may
be idle; the time between two, some hundredths of a second, is little beside a shard's."""
SECONDS_TO_COME = {True: 300.0, False: 900.0}
"""How long the first worker may take: on a cluster of one's own, and where one may have to grow."""
SECONDS_BETWEEN_LINES = 60.0
FILES_BESIDES = 512


class RayEngine:
    """Makes shards on a cluster of Ray, from ``with`` to its end.

    Args:
        address: ``ray://HOST:PORT``, ``HOST:PORT`` or ``auto``; None starts a cluster of this
            machine alone, and ends it.
        workers: Actors; fewer where the cluster has no room for as many, until it has.
        cpus: Cores, and threads, of each; None takes as many as torch takes here.
        gpus: GPUs of each; a share where several use one.
    """

    def __init__(
        self, *, address: str | None, workers: int, cpus: int | None = None, gpus: float = 0.0
    ) -> None:
        self.throughput = Throughput()
        self._address = address
        self._workers = workers
        self._gpus = gpus
        threads = hardware_here(threads=cpus).threads
        self._place = Place(str(Path.cwd()), package_digest(), threads, uuid.uuid4().hex)
        self._ending = ExitStack()

    def __enter__(self) -> "RayEngine":
        """Look whether Ray is here; the cluster is called when it is first needed.

        Raises:
            PipelineError: When Ray is not installed.
        """
        imported()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say what the workers have done, and leave."""
        if done := self.throughput.workers():
            log.info("ray: %s", told(done))
        self._ending.close()

    @cached_property
    def hardware(self) -> Hardware:
        """What a worker computes on; the first one is waited for.

        Raises:
            PipelineError: When no worker comes, or it has other code.
        """
        ray = self._ray
        self._require_gpus(ray)
        look = ray.remote(**self._resources())(look_around).remote(self._place)
        seconds = SECONDS_TO_COME[self._address is None]
        log.debug("ray: waiting for a worker")
        ready, _ = ray.wait([look], timeout=seconds)
        if not ready:
            ray.cancel(look, force=True)
            raise PipelineError(
                f"no worker with {self._told_resources()} came within {seconds:.0f} s at "
                f"{self._address or 'this machine'}.",
                remedy="ask for less in engine.cpus_per_worker and engine.gpus_per_worker, or let "
                "the cluster grow.",
            )
        with translated(ray):
            code, found = ray.get(look)
        check_code(code, self._place)
        there: Hardware = found
        return there

    @property
    def at_once(self) -> int:
        """Shards that are given to Ray in one go; their locks are open files."""
        wanted = SHARDS_EACH * self._workers
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < wanted + FILES_BESIDES:
            soft = wanted + FILES_BESIDES
            soft = soft if hard == resource.RLIM_INFINITY else min(hard, soft)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, min(wanted, soft - FILES_BESIDES))

    def made(
        self,
        orders: Iterable[Order],
        maker: Maker,
        *,
        terms: Terms,
        advance: Callable[[int, int], None],
    ) -> Iterator[tuple[int, bytes]]:
        """Yield the bytes of every order under its number; see :class:`Engine`."""
        rows: dict[int, int] = {}
        items: list[dict[str, object]] = []
        for order in orders:  # one after another: only what is packed stays in memory
            rows[order.number] = len(order.rows)
            items.append(packed(order))
        workers = min(self._workers, len(items))
        job = (maker, terms, self._place, workers, self._resources())
        next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        for reply in self._replies(items, job):
            if not reply.data:
                raise_what_went_wrong(reply)
            self.throughput.add(reply.worker, rows=rows[reply.number], seconds=reply.seconds)
            advance(reply.number, rows[reply.number])
            if time.monotonic() > next_line:
                next_line = time.monotonic() + SECONDS_BETWEEN_LINES
                log.info("ray: %s", told(self.throughput.workers()))
            yield reply.number, reply.data

    def _require_gpus(self, ray: ModuleType) -> None:
        """Look whether there are as many as a worker needs where no more can come."""
        there = ray.cluster_resources().get("GPU", 0.0)
        if self._address is None and there < self._gpus:
            raise PipelineError(
                f"engine.gpus_per_worker = {self._gpus:g}, but this machine has {there:g} GPU.",
                remedy="set it to 0, or name a cluster that has some in engine.address.",
            )

    @cached_property
    def _ray(self) -> ModuleType:
        """Ray, connected until the end.

        Raises:
            PipelineError: When the cluster does not answer.
        """
        ray = imported()
        self._ending.enter_context(connected(ray, self._address, workers=self._workers))
        return ray

    def _replies(self, rows: list[dict[str, object]], job: tuple[Any, ...]) -> Iterator[Reply]:
        ray = self._ray
        with translated(ray):
            if not str(self._address).startswith("ray://"):
                yield from Dispatch(rows, *job).replies
                return
            # Ray Data does not run in a client: it runs in the cluster and is asked from here.
            remote = ray.remote(num_cpus=0)(Dispatch).remote(rows, *job)
            while (reply := ray.get(remote.next.remote())) is not None:
                yield reply

    def _resources(self) -> dict[str, float]:
        # A cluster of one's own is as large as its workers, whatever the machine.
        cpus = 1 if self._address is None else self._place.threads
        return {"num_cpus": cpus, "num_gpus": self._gpus}

    def _told_resources(self) -> str:
        gpus = f" and {self._gpus:g} GPU" if self._gpus else ""
        return f"{self._resources()['num_cpus']:g} core{gpus}"


class Dispatch:
    """One run of Ray Data over orders, in the process that is connected to the cluster.

    Args:
        rows: The orders, packed.
        maker: What makes the shards.
        terms: What must be where they are made.
        place: Where the orders come from.
        workers: How many workers there shall be.
        resources: Of each.
    """

    def __init__(
        self,
        rows: list[dict[str, object]],
        maker: Maker,
        terms: Terms,
        place: Place,
        workers: int,
        resources: dict[str, float],
    ) -> None:
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            RayWorker,
            fn_constructor_args=(maker, terms, place),
            batch_size=1,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(
                size=workers, max_tasks_in_flight_per_actor=IN_FLIGHT
            ),
            num_cpus=resources["num_cpus"],
            num_gpus=resources["num_gpus"],
        )
        batches = data.iter_batches(batch_size=1, batch_format="pyarrow", prefetch_batches=0)
        self.replies: Iterator[Reply] = map(replied, batches)

    def next(self) -> Reply | None:
        """Return the next reply, None after the last."""
        return next(self.replies, None)
