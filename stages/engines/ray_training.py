"""Several processes that train one model together, started by Ray Train.

Ray Train says who takes part in the same variables as torch's launcher, so what runs in each
process is the same code: :func:`stages.engines.processes.join_processes` finds its place there.
"""

import logging
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.engines.processes import LONGEST_WAIT
from stages.engines.ray_connection import gist, join
from stages.errors import PipelineError

log = logging.getLogger(__name__)

LOST_WORKERS = 3
"""Times a run goes on by itself after it has lost a worker."""
LOST = {"WorkerHealthCheckFailedError", "WorkerHealthCheckTimeoutError"}
"""Names, since Ray Train hides the classes, of what it says of a worker that is gone."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Nothing is reported to anybody, and no warning of what a later version will do."""
SAID = "said"
"""Key of an argument of the work: the file to which the workers append what they say."""
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_TO_ANSWER = 10
Work = Callable[[dict[str, Any]], None]


def run_under_ray(
    work: Work,
    arguments: Mapping[str, Any],
    *,
    workers: int,
    address: str | None,
    folder: Path,
    tell: Callable[[str], None],
) -> None:
    """Run ``work`` in ``workers`` processes of a Ray cluster until all have ended.

    A run that loses a worker starts anew, up to LOST_WORKERS times: the work itself knows where it
    was. Ray's own lines about its actors are not shown.

    Args:
        work: Called in every worker with ``arguments`` and SAID; importable there by its name.
        arguments: Plain values.
        workers: How many; each has a GPU where the cluster has any, else a core.
        address: Of a running cluster, such as `auto` or `host:6379`; None starts one here, for
            this run alone.
        folder: All workers see it; Ray Train keeps its own books there while it runs.
        tell: Given what the workers append to the file SAID, line by line.

    Raises:
        PipelineError: When Ray is not installed, the cluster cannot be reached or is too small, or
            what a worker raised.
    """
    ray = _installed_ray()
    _join_cluster(ray, workers=workers, address=address)
    try:
        use_gpu = _checked_resources(ray, workers)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".ray-") as books:
            said = Path(books) / "said.log"
            given = {**arguments, SAID: str(said)}
            with _followed(said, tell):
                _until_no_worker_is_lost(
                    lambda: _fit(work, given, workers=workers, use_gpu=use_gpu, books=books)
                )
    finally:
        ray.shutdown()


def _installed_ray() -> Any:
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    try:
        import ray
        import ray.train.torch
    except ImportError as error:
        raise PipelineError(
            f"training under Ray needs Ray, which is not installed: {error}.",
            remedy="pip install 'multicsr[ray]', or leave --launcher ray out.",
        ) from error
    return ray


def _join_cluster(ray: Any, *, workers: int, address: str | None) -> None:
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address is None:
        # The controller and what it starts besides need no core of their own.
        cores = max(workers, os.cpu_count() or 1)
        options |= {"num_cpus": cores, "include_dashboard": False}
    try:
        _knock(address)
        join(ray, {"address": address or "local", **options})
    except (OSError, RuntimeError, ValueError) as error:
        where = address or "this machine"
        raise PipelineError(
            f"no Ray cluster can be reached at {where}: {gist(error).rstrip('.')}.",
            remedy="start one (`ray start --head`), mend --address, or leave it out: then one is "
            "started here for this run.",
        ) from error
    logging.getLogger("ray.train").setLevel(logging.WARNING)


def _knock(address: str | None) -> None:
    """See whether anybody listens at ``address``: Ray itself would ask for minutes.

    Raises:
        OSError: When nobody does.
    """
    host, found, port = (address or "").removeprefix("ray://").rpartition(":")
    if found and port.isdigit():
        socket.create_connection((host, int(port)), timeout=SECONDS_TO_ANSWER).close()


def _checked_resources(ray: Any, workers: int) -> bool:
    """Return whether each worker gets a GPU, after looking whether there are enough."""
    there = ray.cluster_resources()
    kind = "GPU" if there.get("GPU", 0) else "CPU"
    if there.get(kind, 0) < workers:
        raise PipelineError(
            f"--workers {workers} asks for as many {kind}s; the Ray cluster has "
            f"{there.get(kind, 0):.0f}.",
            remedy="lower --workers, or add machines to the cluster.",
        )
    return kind == "GPU"


def _fit(
    work: Work, arguments: Mapping[str, Any], *, workers: int, use_gpu: bool, books: str
) -> None:
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    TorchTrainer(
        work,
        train_loop_config=dict(arguments),
        torch_config=TorchConfig(timeout_s=int(LONGEST_WAIT.total_seconds())),
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=use_gpu),
        run_config=RunConfig(name="train", storage_path=books),
    ).fit()


def _until_no_worker_is_lost(fit: Callable[[], None]) -> None:
    from ray.train import TrainingFailedError

    for times_left in reversed(range(LOST_WORKERS + 1)):
        try:
            return fit()
        except TrainingFailedError as error:
            told = _told_by_a_worker(error)
            if told is not None:
                raise told from None
            if not times_left or not _lost_a_worker(error):
                raise
            log.warning("train: a worker was lost; going on with new ones")
    return None


def _told_by_a_worker(error: Exception) -> PipelineError | None:
    """Return what a worker raised for the user to mend."""
    failures = getattr(error, "worker_failures", {}).values()
    for failure in failures:
        for raised in (failure, getattr(failure, "_base_exc", None), failure.__cause__):
            if isinstance(raised, PipelineError):
                return raised
    return None


def _lost_a_worker(error: Exception) -> bool:
    from ray.exceptions import RayError

    failures = list(getattr(error, "worker_failures", {}).values())
    # The others fail, too: they wait in vain for what the lost one was to send.
    return any(
        isinstance(failure, RayError) or type(failure).__name__ in LOST for failure in failures
    )


@contextmanager
def _followed(path: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell every line that is appended to ``path`` while the block runs, and those left after."""
    path.touch()
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8", errors="replace") as stream:
            last = False
            while not last:
                last = ended.wait(SECONDS_BETWEEN_LOOKS)
                for line in stream:
                    tell(line.rstrip("\n"))

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
