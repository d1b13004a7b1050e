from collections.abc import Iterator

import pytest

from tests.language_models.servers.hostile import Hostile, hostile_server


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hostile]:
    """A server; pauses before repetitions are shorter than a user would want them."""
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0.001)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with hostile_server() as server:
        yield server
