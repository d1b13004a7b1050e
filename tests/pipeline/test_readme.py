"""README.md keeps up with the code."""

import re

import pytest

from stages.params import settings
from tests.pipeline.imports import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


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
