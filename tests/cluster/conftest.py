"""A Ray cluster of four workers on this machine, and a tiny model for them."""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import NamedTuple

import psutil
import pytest

from stages.engines.ray_connection import imported
from tests.language_models.conftest import llama, tokenizer

__all__ = ["llama", "tokenizer"]

CPUS = 4
CLUSTER = [
    pytest.mark.cluster,
    # Ray 2.60 warns about itself, and leaves sockets to the interpreter.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
SECONDS_TO_START = 120.0
SHORT = os.environ.get("FAULTS") == "short"


def kills_wanted() -> int:
    """Return how often something is killed: in full, or in the short form."""
    return 3 if SHORT else 20


class Head(NamedTuple):
    """Addresses of a cluster."""

    address: str
    client: str


@pytest.fixture(scope="session")
def cluster() -> Iterator[Head]:
    """A cluster that outlives the processes that use it, with a token of its own."""
    # Read when Ray is imported, which must not have happened yet in this process.
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    imported()  # sets what keeps Ray quiet, for the head too
    folder = mkdtemp(prefix="multicsr-")  # a long path has no room for Ray's sockets
    port, client = _free_port(), _free_port()
    words = {
        "--port": port,
        "--ray-client-server-port": client,
        "--num-cpus": CPUS,
        "--include-dashboard": "false",
        "--object-store-memory": 200 * 2**20,
        "--temp-dir": folder,
    }
    options = [f"{name}={value}" for name, value in words.items()]
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"]
    with (Path(folder) / "said").open("w") as said:
        head = subprocess.Popen([*command, *options], stdout=said, stderr=said)
    host = _host()
    _wait_for(host, port)
    _wait_for(host, client)
    yield Head(f"{host}:{port}", f"ray://{host}:{client}")
    _end(head)
    shutil.rmtree(folder, ignore_errors=True)


def _end(head: "subprocess.Popen[bytes]") -> None:
    """End the head and all it has started; there is nothing to keep, and asking takes long."""
    started = psutil.Process(head.pid).children(recursive=True)
    head.kill()
    head.wait()
    for process in started:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _host() -> str:
    from ray.util import get_node_ip_address

    return str(get_node_ip_address())  # type: ignore[no-untyped-call]


def _free_port() -> int:
    """Return a port outside those that Ray gives its workers."""
    for port in range(21000 + os.getpid() % 4000, 32000):
        with socket.socket() as trial:
            if trial.connect_ex(("127.0.0.1", port)) and port not in _given:
                _given.add(port)
                return port
    raise AssertionError


_given: set[int] = set()


def _wait_for(host: str, port: int) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            socket.create_connection((host, port), timeout=1).close()
        except OSError:
            assert time.monotonic() < deadline, "the cluster does not start"
            time.sleep(0.2)
        else:
            return
