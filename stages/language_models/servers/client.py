"""The HTTP client behind a served model: every attempt waits its turn, is timed and is counted.

The OpenAI client repeats what failed by calling ``send`` again, so what is done there holds for
first attempts and repetitions alike.
"""

import asyncio
import json
from typing import Any

import httpx2
from aiolimiter import AsyncLimiter

from stages.language_models.servers.account import Account
from stages.language_models.servers.replies import read_reply
from stages.language_models.servers.settings import Server

BYTES_PER_TOKEN = 4
"""Of a prompt, about: enough to spread requests, while usage is what the server counted."""


class Throttle:
    """Spreads requests and tokens evenly over the minute, first come, first served."""

    def __init__(self, *, requests_per_minute: int | None, tokens_per_minute: int | None) -> None:
        # A bucket of a whole minute would let twice the limit through in the first one.
        self._requests = requests_per_minute and AsyncLimiter(1, 60 / requests_per_minute)
        self._tokens = tokens_per_minute and AsyncLimiter(tokens_per_minute / 60, 1)
        self._turn = asyncio.Lock()

    async def wait(self, tokens: float) -> None:
        """Return when one more request of about so many tokens may be sent."""
        async with self._turn:
            if self._requests:
                await self._requests.acquire()
            while self._tokens and tokens > 0:
                portion = min(tokens, self._tokens.max_rate)
                await self._tokens.acquire(portion)
                tokens -= portion


class Client(httpx2.AsyncClient):
    """Sends within the limits of ``server`` and books every attempt to ``account``."""

    def __init__(self, server: Server, account: Account) -> None:
        connections = httpx2.Limits(
            max_connections=server.concurrency, max_keepalive_connections=server.concurrency
        )
        super().__init__(limits=connections, timeout=server.timeout_s)
        self._seconds = server.timeout_s
        self._account = account
        self._throttle = Throttle(
            requests_per_minute=server.requests_per_minute,
            tokens_per_minute=server.tokens_per_minute,
        )

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send ``request`` and return the reply, which is a completion if it is a success.

        Raises:
            httpx2.RequestError: When there is none, it took too long, or it cannot be read.
        """
        await self._throttle.wait(_expected_tokens(request))
        self._account.used.requests += 1
        self._account.used.retries += request.headers.get("x-stainless-retry-count", "0") != "0"
        try:
            # httpx measures the silence between two pieces: a trickle would never end.
            async with asyncio.timeout(self._seconds):
                response = await super().send(request, **options)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole reply in time", request=request) from None
        if response.is_success:
            reply = read_reply(response)
            self._account.used.prompt_tokens += reply.prompt_tokens
            self._account.used.completion_tokens += reply.completion_tokens
        return response


def _expected_tokens(request: httpx2.Request) -> float:
    allowed: int = json.loads(request.content)["max_tokens"]
    return len(request.content) / BYTES_PER_TOKEN + allowed
