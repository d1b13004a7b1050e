"""A tiny encoder for the tests of the workshop."""

from pathlib import Path

import pytest

from stages.encoders.tiny import write_random_encoder


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    write_random_encoder(folder, seed=1)
    return folder
