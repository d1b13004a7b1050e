"""Rate and time left."""

import pytest

from cli.pace import Pace


class Clock:
    """Seconds that go on when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """A clock."""
    return Clock()


def test_nothing_is_promised_before_anything_is_known(clock: Clock) -> None:
    pace = Pace(10, unit="rows", clock=clock)
    assert pace.describe() == "0/10 rows"


def test_steady_work_is_extrapolated(clock: Clock) -> None:
    pace = Pace(1000, unit="rows", clock=clock)
    for _ in range(10):
        clock.now += 5
        pace.advance(10)
    assert pace.rate == pytest.approx(2)
    assert pace.describe() == "100/1,000 rows, 2/s, 7 min 30 s left"


def test_time_left_runs_down_between_two_reports(clock: Clock) -> None:
    pace = Pace(20, unit="rows", clock=clock)
    clock.now += 10
    pace.advance(10)
    clock.now += 4
    assert pace.seconds_left == pytest.approx(6)
    clock.now += 100
    assert pace.seconds_left == 0


def test_what_an_earlier_run_had_finished_does_not_count_as_speed(clock: Clock) -> None:
    pace = Pace(1000, unit="rows", clock=clock)
    clock.now += 0.1
    pace.advance(900)
    clock.now += 10
    pace.advance(10)
    assert pace.rate == pytest.approx(1)


def test_the_rate_forgets_what_is_over_a_minute_old(clock: Clock) -> None:
    pace = Pace(10_000, unit="rows", clock=clock)
    for items in [100] * 20 + [10] * 20:
        clock.now += 10
        pace.advance(items)
    assert pace.rate == pytest.approx(1)


def test_at_the_end_it_says_how_long_it_took(clock: Clock) -> None:
    pace = Pace(10, unit="rows", clock=clock)
    clock.now += 125
    pace.advance(10)
    assert pace.describe() == "10/10 rows, 0.08/s, took 2 min 05 s"
