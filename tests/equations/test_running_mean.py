from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.equations.running_mean import RunningMean

NUMBERS = st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=60)


def mean_of(*parts: list[float]) -> float:
    running = RunningMean()
    for part in parts:
        running.add(part)
    return running.mean


@given(NUMBERS, st.integers(1, 60))
def test_it_is_the_exact_mean_however_many_numbers_come_at_a_time(
    numbers: list[float], at_once: int
) -> None:
    parts = [numbers[start : start + at_once] for start in range(0, len(numbers), at_once)]
    exact = float(sum(map(Fraction, numbers)) / len(numbers))
    assert mean_of(*parts) == pytest.approx(exact, rel=1e-15, abs=1e-24)
    assert mean_of(*parts) == pytest.approx(mean_of(numbers), rel=2e-16, abs=1e-24)


def test_small_numbers_are_not_lost_beside_great_ones() -> None:
    assert mean_of([1e16], *[[1.0]] * 10, [-1e16]) == 10 / 12


def test_of_nothing_it_is_nought() -> None:
    assert mean_of([]) == 0
