"""The fuzzing of tests/faults in small, so that no change forgets a parser."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.faults.fuzzing import TARGETS, survives


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_crashes_on_none_of_a_few_inputs(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]

    @settings(max_examples=20, database=None, suppress_health_check=list(HealthCheck))
    @given(target.inputs)
    def parses(given: Any) -> None:
        survives(target, tmp_path, given)
        shutil.rmtree(tmp_path / "out", ignore_errors=True)

    parses()
