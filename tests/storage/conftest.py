"""An S3-compatible server of our own, on loopback, in a process of its own."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

PATIENCE = 120


@dataclass(frozen=True)
class Server:
    """Where it answers; any key will do. ``nothing``: an empty file of settings."""

    address: str
    nothing: Path

    def environment(self) -> dict[str, str]:
        """Return what makes a process ask this server and nobody else."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "a-key-for-tests",
            "AWS_SECRET_ACCESS_KEY": "planted-secret-of-tests",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(self.nothing),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.nothing),
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    nothing = tmp_path_factory.mktemp("aws") / "config"  # DVC wants a real file
    nothing.touch()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            _wait_for(port)
            yield Server(f"http://127.0.0.1:{port}", nothing)
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/")
            connection.getresponse().read()
        except OSError:
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.2)
        else:
            return
        finally:
            connection.close()


@pytest.fixture
def keys(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process ask the server."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(server: Server, keys: None) -> Iterator[Any]:
    """The file system of the server with an empty bucket `team` in it."""
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    if not system.exists("team"):
        system.mkdir("team")
    yield system
    system.rm("team", recursive=True)
