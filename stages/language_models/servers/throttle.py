"""How fast a server may be asked: limits of our own, and the pauses that it asks for."""

import asyncio
import math
from collections.abc import Mapping

from aiolimiter import AsyncLimiter

LONGEST_PAUSE_S = 120.0
"""A server that asks for more is not waited for: the run stops, and says so."""


class Throttle:
    """Spreads requests and tokens evenly over the minute, first come, first served."""

    def __init__(self, *, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        # A bucket of a whole minute would let twice the limit through in the first one.
        self._requests = requests_per_minute and AsyncLimiter(1, 60 / requests_per_minute)
        self._tokens = tokens_per_minute and AsyncLimiter(tokens_per_minute / 60, 1)
        self._turn = asyncio.Lock()
        self._resumes = -math.inf

    async def wait(self, tokens: float) -> None:
        """Return when one more request of about so many tokens may be sent."""
        async with self._turn:
            if self._requests:
                await self._requests.acquire()
            while self._tokens and tokens > 0:
                portion = min(tokens, self._tokens.max_rate)
                await self._tokens.acquire(portion)
                tokens -= portion
            while (left := self._resumes - asyncio.get_running_loop().time()) > 0:
                await asyncio.sleep(left)

    def pause(self, seconds: float) -> None:
        """Let nobody through for so long: asked once for patience, all requests have it."""
        self._resumes = max(self._resumes, asyncio.get_running_loop().time() + seconds)


def asked_pause(headers: Mapping[str, str]) -> float:
    """Return the seconds that a server asks to be left alone; 0 where it names none, or too many.

    >>> asked_pause({"retry-after": "2.5"}), asked_pause({"retry-after": "1e999"})
    (2.5, 0.0)
    >>> asked_pause({"retry-after": "soon"}), asked_pause({"retry-after": "-1"}), asked_pause({})
    (0.0, 0.0, 0.0)
    """
    try:
        seconds = float(headers.get("retry-after", "0"))
    except ValueError:
        return 0.0
    return seconds if 0 < seconds <= LONGEST_PAUSE_S else 0.0
