"""Whatever comes in, a parser accepts it or says in its own words why not, within a second."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.faults.conftest import Figure, tries
from tests.faults.fuzzing import TARGETS, examples, survives

pytestmark = pytest.mark.faults

INPUTS = tries(105_000, short=2_600)
"""Of all targets together."""


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_crashes_on_nothing(name: str, tmp_path: Path, figure: Figure) -> None:
    target = TARGETS[name]
    wanted = examples(target, INPUTS)
    tried = 0

    @settings(max_examples=wanted, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def parses(given: Any) -> None:
        nonlocal tried
        tried += 1
        survives(target, tmp_path, given)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)

    parses()
    assert tried >= wanted  # a space of inputs could be smaller than what is wanted
    figure(
        f"fuzz.{name}",
        tried,
        unit="inputs",
        about="near well-formed ones or random; each accepted, or refused by the project's own "
        "error, within a second of processor time",
    )
