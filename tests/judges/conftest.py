"""Tiny models that judge."""

from pathlib import Path

import pytest

from tests.judges.classifiers import write_classifier


@pytest.fixture(scope="session")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny classifier of entailment with random weights."""
    folder = tmp_path_factory.mktemp("nli") / "tiny"
    write_classifier(folder)
    return folder
