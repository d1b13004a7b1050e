"""What the tests of several stages start from."""

from pathlib import Path

import pytest


@pytest.fixture
def scripted_llm(tmp_path: Path) -> Path:
    """Folder of the scripted language model, as stage ``fetch`` leaves it."""
    folder = tmp_path / "llm"
    folder.mkdir()
    (folder / "source.json").write_text('{"reference": "scripted:", "identity": "scripted:"}')
    return folder
