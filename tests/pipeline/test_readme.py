"""README.md keeps up with the code."""

import itertools
import re
import shlex

import pytest
from dvc.utils.hydra import to_hydra_overrides

from stages.params import settings
from tests.pipeline.imports import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "data/README.md"]


def overrides() -> list[str]:
    """Return what the pages' commands set by -S."""
    lines = "\n".join(page.read_text(encoding="utf-8") for page in PAGES).replace("\\\n", " ")
    words = [
        shlex.split(line, comments=True)
        for line in lines.splitlines()
        if re.match(r"(dvc|multicsr) .*-S ", line)
    ]
    return [word for line in words for flag, word in itertools.pairwise(line) if flag == "-S"]


@pytest.mark.parametrize("key", [key for key, _ in settings()])
def test_every_setting_is_explained(key: str) -> None:
    assert f"| `{key}` |" in README


def test_every_profile_is_named() -> None:
    for profile in (ROOT / "profiles").glob("*.yaml"):
        assert f"`{profile.stem}`" in README


def test_nothing_is_left_to_fill_in() -> None:
    assert "@@" not in README
    assert not re.search(r"\b(TODO|TBD|XXX)\b", README)


def test_a_result_stands_before_line_40() -> None:
    assert re.search(r"\d\d\.\d\d", "\n".join(README.splitlines()[:40]))


@pytest.mark.parametrize("override", overrides())
def test_dvc_understands_what_the_commands_set(override: str) -> None:
    (parsed,) = to_hydra_overrides([override])
    assert parsed.key_or_group in {key for key, _ in settings()}


def test_the_commands_that_set_something_are_found() -> None:
    assert len(overrides()) > 10
