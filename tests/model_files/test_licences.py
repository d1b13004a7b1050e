"""Which licence is found where; nothing is guessed."""

import zipfile
from pathlib import Path

import pytest

from stages.model_files.licences import Licence, find_licence


def wheel(folder: Path, header: str) -> Path:
    path = folder / "model-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model-1.dist-info/METADATA", f"Name: model\n{header}\n\nMIT or not\n")
    return path


@pytest.mark.parametrize("header", ["License-Expression: MIT", "License: MIT"])
def test_the_wheels_metadata_is_the_last_resort(header: str, tmp_path: Path) -> None:
    found = find_licence(tmp_path / "none", wheel(tmp_path, header))
    assert found == Licence("MIT", "METADATA of model-1-py3-none-any.whl")


def test_the_models_own_card_comes_before_its_packaging(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\ntags: [x]\n---\n# Model\n")
    (tmp_path / "LICENSE").write_text("\nSome Licence 1.0\n")
    packed = wheel(tmp_path, "License: MIT")
    assert find_licence(tmp_path, packed) == Licence("apache-2.0", "the model's README.md")
    (tmp_path / "README.md").write_text("# Model\nlicense: none\n")
    assert find_licence(tmp_path, packed) == Licence("Some Licence 1.0", "the model's LICENSE")


def test_a_licence_of_its_own_goes_by_its_name(tmp_path: Path) -> None:
    card = "---\nlicense: other\nlicense_name: garden-licence\n---\n"
    (tmp_path / "README.md").write_text(card)
    assert find_licence(tmp_path).name == "garden-licence"


@pytest.mark.parametrize("header", ["License: UNKNOWN", "Summary: none"])
def test_what_nobody_says_stays_unsaid(header: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\n[broken\n---\n")
    assert find_licence(tmp_path, wheel(tmp_path, header)) == Licence()
