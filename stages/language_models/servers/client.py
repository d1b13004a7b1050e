"""The HTTP client behind a served model: every attempt waits its turn, is bounded and is counted.

The OpenAI client repeats what failed by calling ``send`` again, so what is done there holds for
first attempts and repetitions alike. Nothing that a server sends is trusted: neither how long it
is, nor how it is compressed or encoded, nor where it points.
"""

import asyncio
import json
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import httpx2

from stages.language_models.servers.account import Account
from stages.language_models.servers.answers import request_digest
from stages.language_models.servers.keys import Key
from stages.language_models.servers.replies import UnreadableReply, read_reply
from stages.language_models.servers.settings import Server
from stages.language_models.servers.throttle import Throttle, asked_pause

BYTES_PER_TOKEN = 4
"""Of a prompt, about: enough to spread requests, while usage is what the server counted."""
MOST_REPLY_BYTES = 2 * 1024**2
"""A longer reply is no completion; a completion of 100,000 tokens is shorter."""
MOST_REFUSAL_BYTES = 8 * 1024
"""So much is read of a reply that reports a failure: its first line is shown."""
HEEDED = ("retry-after", "retry-after-ms", "x-should-retry", "location")
"""Headers of a reply that mean something here; a charset, for one, could name any decoder."""


class Client(httpx2.AsyncClient):
    """Sends within the limits of ``server`` and books every attempt and answer to ``account``."""

    def __init__(self, server: Server, account: Account, key: Key) -> None:
        connections = httpx2.Limits(
            max_connections=server.concurrency, max_keepalive_connections=server.concurrency
        )
        super().__init__(
            limits=connections, timeout=server.timeout_s, headers={"Accept-Encoding": "identity"}
        )
        self._server = server
        self._account = account
        self._key = key
        self._under_way: set[asyncio.Task[httpx2.Response]] = set()
        self._throttle = Throttle(
            requests_per_minute=server.requests_per_minute,
            tokens_per_minute=server.tokens_per_minute,
        )

    async def send(
        self,
        request: httpx2.Request,
        **options: Any,  # noqa: ARG002  those of streams, log-ins and redirects: there are none here
    ) -> httpx2.Response:
        """Send ``request`` and return what came: a success has its answer as extension ``reply``.

        Who stops waiting does not stop the exchange: it is paid for, so its answer is still kept,
        see :meth:`settle`.

        Raises:
            httpx2.RequestError: When there is none, it took too long, or it cannot be read.
        """
        await self._throttle.wait(_expected_tokens(request))
        exchange = asyncio.create_task(self._exchange(request))
        self._under_way.add(exchange)
        exchange.add_done_callback(self._under_way.discard)
        return await asyncio.shield(exchange)

    async def settle(self, seconds: float | None = None) -> None:
        """Wait for the exchanges under way, so that their answers are kept; abandon late ones."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=seconds)
            for exchange in late:
                exchange.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _exchange(self, request: httpx2.Request) -> httpx2.Response:
        self._account.asked(again=request.headers.get("x-stainless-retry-count", "0") != "0")
        try:
            # httpx measures the silence between two pieces: a trickle would never end.
            async with asyncio.timeout(self._server.timeout_s):
                response = await self._received(request)
        except TimeoutError:
            raise httpx2.ReadTimeout("no whole reply in time", request=request) from None
        if response.status_code == httpx2.codes.TOO_MANY_REQUESTS:
            self._throttle.pause(asked_pause(response.headers))
        if response.is_success:
            self._keep(request, response)
        return response

    async def _received(self, request: httpx2.Request) -> httpx2.Response:
        # Never led elsewhere: the key is for this address alone.
        streamed = await super().send(request, stream=True, follow_redirects=False)
        try:
            content = await _content(streamed)
        finally:
            await streamed.aclose()
        heeded = {name: streamed.headers[name] for name in HEEDED if name in streamed.headers}
        return httpx2.Response(
            streamed.status_code, headers=heeded, content=content, request=request
        )

    def _keep(self, request: httpx2.Request, response: httpx2.Response) -> None:
        asked = json.loads(request.content)
        reply = read_reply(response, max_tokens=asked["max_tokens"])
        reply = replace(reply, text=self._key.hidden_in_answer(reply.text))
        self._account.answered(request_digest(self._server.url, asked), reply)
        response.extensions["reply"] = reply


async def _content(response: httpx2.Response) -> bytes:
    """Return the body of a success, or the beginning of that of a failure."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        # Nobody asked for it, and a few bytes could become any number.
        if response.is_success:
            raise UnreadableReply("a compressed reply", request=response.request)
        return b""
    most = MOST_REPLY_BYTES if response.is_success else MOST_REFUSAL_BYTES
    pieces, size = [], 0
    async with aclosing(response.aiter_raw()) as arriving:
        async for piece in arriving:
            pieces.append(piece)
            size += len(piece)
            if size > most:
                break
    if size > most and response.is_success:
        raise UnreadableReply(f"more than {most:,} bytes", request=response.request)
    return b"".join(pieces)[:most]


def _expected_tokens(request: httpx2.Request) -> float:
    allowed: int = json.loads(request.content)["max_tokens"]
    return len(request.content) / BYTES_PER_TOKEN + allowed
