"""A connection to a cluster of Ray, or to one of this machine's own that ends with it."""

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from stages.errors import PipelineError, first_line

log = logging.getLogger(__name__)

SECONDS_TO_CONNECT = 10.0
CLIENT_ATTEMPTS = 3
"""For each client the cluster forks a server of its own; now and then that dies at its start."""
OBJECT_STORE_BYTES = 256 * 2**20
"""Of a cluster of one's own: shards on their way are small."""
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to anybody
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",  # a worker without a GPU sees none
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DATA_LOG_LEVEL": "ERROR",
    "RAY_DISABLE_IMPORT_WARNING": "1",
}
GO_ON = "finished shards are kept: run the same command again, on either engine"


def imported() -> ModuleType:
    """Return Ray, told to be quiet.

    Raises:
        PipelineError: When it is not installed.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
        import tenacity  # noqa: F401  comes with the same extra
    except ImportError as error:
        raise PipelineError(
            f"engine.kind = ray, but Ray Data is not installed ({error}).",
            remedy="pip install 'multicsr[ray]', or set engine.kind to local.",
        ) from error
    return ray


@contextmanager
def connected(ray: ModuleType, address: str | None, *, workers: int) -> Iterator[None]:
    """Be connected to the cluster while the block runs."""
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    with ExitStack() as ending:
        if address is None:
            folder = tempfile.TemporaryDirectory(prefix="multicsr-", ignore_cleanup_errors=True)
            own = {
                "address": "local",
                "num_cpus": workers,
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "_temp_dir": ending.enter_context(folder),
            }
            log.info("ray: starting %s on this machine", _counted(workers))
        else:
            _require_answer(address)
            own = {"address": address}
            log.info("ray: at most %s at %s", _counted(workers), address)
        with _own_signals(), _translated_connection(ray, address), _silent_stderr():
            join(ray, own | quiet)
        ending.callback(ray.shutdown)
        yield


def join(ray: ModuleType, settings: dict[str, Any]) -> None:
    """Connect; as a client, try it again where the cluster could not start the client's server."""
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

    Retrying(
        retry=retry_if_exception_type(ConnectionAbortedError),
        stop=stop_after_attempt(CLIENT_ATTEMPTS),
        reraise=True,
    )(_init, ray, settings)


def _init(ray: ModuleType, settings: dict[str, Any]) -> None:
    try:
        ray.init(**settings)
    except ConnectionError:
        # Ray still holds itself for a client, and could not even start a cluster of its own.
        ray.util.client.ray.disconnect()
        raise


@contextmanager
def _own_signals() -> Iterator[None]:
    """Undo that Ray takes over signals, which :mod:`cli.stopping` listens to."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # which Python cannot set again
                signal.signal(number, handler)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep what Ray's own threads say at its start from the terminal; errors are raised."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _require_answer(address: str) -> None:
    """Look whether anybody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        if address == "auto":
            return
        raise PipelineError(
            f"engine.address = {address} is no address of a Ray cluster.",
            remedy="write ray://HOST:10001, HOST:6379 on a node of the cluster itself, auto, or "
            "null for this machine.",
        )
    try:
        with socket.create_connection((host, int(port)), timeout=SECONDS_TO_CONNECT):
            pass
    except OSError as error:
        raise PipelineError(
            f"no Ray cluster answers at engine.address = {address}: {error}.",
            remedy="start it (`ray start --head`), mend the address, or go on without it: "
            "engine.kind = local finishes the same shards.",
        ) from error


@contextmanager
def _translated_connection(ray: ModuleType, address: str | None) -> Iterator[None]:
    try:
        yield
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise PipelineError(
            f"no Ray cluster at engine.address = {address or 'null'}: {gist(error)}",
            remedy="see that it runs with the same versions of Ray and Python, and that "
            "RAY_AUTH_MODE=token and its token are set here where it asks for one.",
        ) from error


@contextmanager
def translated(ray: ModuleType) -> Iterator[None]:
    """Make a :class:`PipelineError` of what becomes of a cluster.

    What goes wrong in a worker's own work is told in its replies, so what is left is that multicsr
    is not there, and Ray's own troubles.
    """
    try:
        yield
    except ray.exceptions.RayError as error:
        if "ModuleNotFoundError" in str(error):
            missing = next(
                line for line in str(error).splitlines() if "ModuleNotFoundError" in line
            )
            raise PipelineError(
                f"a worker of the cluster lacks what it needs: {missing.strip()}",
                remedy="install multicsr with its dependencies on every node, the same version.",
            ) from error
        raise PipelineError(
            f"the Ray cluster failed: {gist(error)}",
            remedy=f"see its logs (a worker that is ended again and again may lack memory); "
            f"{GO_ON}.",
        ) from error


def gist(error: BaseException) -> str:
    """Return the first line of what is said; of a traceback from afar the last, which says why."""
    lines = [line.strip() for line in str(error).strip().splitlines()]
    return lines[-1] if any(line.startswith("Traceback") for line in lines) else first_line(error)


def _counted(workers: int) -> str:
    return f"{workers} worker{'s' * (workers != 1)}"
