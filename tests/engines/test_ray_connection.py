"""How a cluster is joined, and what is said where it cannot be; no cluster is needed for that."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from stages.engines.ray_connection import CLIENT_ATTEMPTS, connected
from stages.errors import PipelineError

SERVER_DIED = """Initialization failure from server:
Traceback (most recent call last):
  File "proxier.py", line 772, in Datapath
RuntimeError: Starting Ray client server failed. See ray_client_server_23000.err for detailed logs.
"""


class Ray:
    """All of Ray that joining needs: a cluster whose servers for clients die at first."""

    exceptions = SimpleNamespace(RayError=type("RayError", (Exception,), {}))

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths
        self.done: list[str] = []
        client = SimpleNamespace(disconnect=lambda: self.done.append("disconnect"))
        self.util = SimpleNamespace(client=SimpleNamespace(ray=client))

    def init(self, **_: Any) -> None:
        self.done.append("init")
        if self.done.count("init") <= self.deaths:
            raise ConnectionAbortedError(SERVER_DIED)

    def shutdown(self) -> None:
        self.done.append("shutdown")


@pytest.fixture
def address() -> Iterator[str]:
    """Where somebody listens, as a cluster does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"ray://127.0.0.1:{listening.getsockname()[1]}"


def test_a_clients_server_that_dies_at_its_start_is_asked_for_again(address: str) -> None:
    ray: Any = Ray(deaths=CLIENT_ATTEMPTS - 1)
    with connected(ray, address, workers=1):
        assert ray.done == ["init", "disconnect", "init", "disconnect", "init"]
    assert ray.done[-1] == "shutdown"


def test_one_that_always_dies_is_told_with_its_last_word_and_leaves_no_half_connection(
    address: str,
) -> None:
    ray: Any = Ray(deaths=CLIENT_ATTEMPTS)
    joining = connected(ray, address, workers=1)
    with pytest.raises(PipelineError, match=rf"{address}: RuntimeError: Starting Ray client"):
        joining.__enter__()
    assert ray.done == ["init", "disconnect"] * CLIENT_ATTEMPTS
