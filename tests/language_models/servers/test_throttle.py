import asyncio
import time

import pytest

from stages.language_models.servers.throttle import Throttle


async def seconds_for(throttle: Throttle, *amounts: float) -> float:
    start = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for amount in amounts:
            group.create_task(throttle.wait(amount))
    return time.monotonic() - start


@pytest.mark.slow
@pytest.mark.parametrize("amounts", [(2500,) * 6, (15_000,)], ids=["many", "one above a second's"])
def test_tokens_are_spread_over_the_minute(amounts: tuple[float, ...]) -> None:
    throttle = Throttle(requests_per_minute=None, tokens_per_minute=600_000)
    # A second's worth, 10,000, goes at once; the other 5,000 take half a second.
    assert asyncio.run(seconds_for(throttle, *amounts)) >= 0.45


def test_without_limits_nobody_waits() -> None:
    throttle = Throttle(requests_per_minute=None, tokens_per_minute=None)
    asyncio.run(seconds_for(throttle, *[1e9] * 1000))


def test_there_is_no_burst_in_the_first_minute() -> None:
    throttle = Throttle(requests_per_minute=1200, tokens_per_minute=None)
    assert asyncio.run(seconds_for(throttle, *[1] * 5)) >= 0.19


def test_a_pause_holds_all() -> None:
    async def paused() -> float:
        throttle = Throttle(requests_per_minute=None, tokens_per_minute=None)
        throttle.pause(0.2)
        throttle.pause(0.1)
        return await seconds_for(throttle, 1, 1, 1)

    assert 0.2 <= asyncio.run(paused()) < 0.5
