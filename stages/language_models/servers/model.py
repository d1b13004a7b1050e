"""A language model behind an OpenAI-compatible server."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Never

import httpx2
from openai import APIError, AsyncOpenAI

from stages.errors import PipelineError
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import generator
from stages.language_models.servers.account import Account
from stages.language_models.servers.answers import request_digest
from stages.language_models.servers.client import Client
from stages.language_models.servers.faults import budget_reached, explained, going_on
from stages.language_models.servers.keys import key_of_environment
from stages.language_models.servers.replies import Reply
from stages.language_models.servers.settings import PATHS, Server

log = logging.getLogger(__name__)

NO_KEY = "none"
"""Sent where there is no key: the client must send one, and a local server does not look at it."""
GRACE_S = 2.0
"""How long a run that is stopped waits for answers under way, which are paid for."""


class ServedLanguageModel:
    """Asks a server for answers, many at a time over connections that are kept.

    Equal arguments give equal answers as far as the server heeds the seed it is sent, and in any
    case where answers are kept (see ``account``).

    Args:
        name: What the server calls the model.
        server: Where it is and how hard it may be asked.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.account = Account(server)
        self._name = name
        self._server = server
        self._key = key_of_environment()
        if self._key.text and not server.private:
            log.warning("%s is not encrypted: the key can be read on its way", server.url)
        self._runner = asyncio.Runner()
        self._http = Client(server, self.account, self._key)
        self._client = AsyncOpenAI(
            api_key=self._key.text or NO_KEY,
            base_url=server.base_url,
            timeout=server.timeout_s,
            max_retries=server.max_attempts - 1,
            http_client=self._http,
        )
        self._closed = False

    @property
    def identity(self) -> str:
        """Model and address: all that can be known of weights behind a server."""
        return f"api:{self._name} at {self._server.url}"

    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked; equal requests are asked once.

        Raises:
            PipelineError: When the decoding needs what servers do not give, the server refuses or
                keeps failing, or the budget is used up.
        """
        self._check(decoding)
        asked = [self._body(request, decoding) for request in requests]
        digests = [request_digest(self._server.url, body) for body in asked]
        try:
            replies = self._runner.run(self._replies(dict(zip(digests, asked, strict=True))))
        finally:
            self.account.save()
        written = [reply for digest in digests if (reply := replies[digest]) is not None]
        if len(written) < len(requests):
            raise budget_reached(self.account.figures(), self._server)
        return [_first_line(reply) for reply in written]

    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> Never:  # noqa: ARG002
        """Refuse: a server tells how likely its own answers are, not a text it is given."""
        raise PipelineError(
            f"{self.identity} does not tell how likely a given text is, which the "
            "judges likelihood, forward, contrast and expectation measure.",
            remedy="set score.judges to [generate], or take a model that runs here.",
        )

    def close(self) -> None:
        """Keep the answers that come within ``GRACE_S``, abandon the others, hang up for good."""
        if not self._closed:
            self._closed = True
            self._runner.run(self._hang_up())
            self._runner.close()
            self.account.save()

    def _check(self, decoding: Decoding) -> None:
        if decoding.omega != 0:
            raise PipelineError(
                f"generate.omega = {decoding.omega:g} subtracts the logits of the opposite "
                f"instruction at every token, and {self.identity} gives answers, not logits.",
                remedy="set generate.omega to 0, or take a model that runs here.",
            )
        if decoding.plausibility != 0:
            raise PipelineError(
                f"generate.plausibility = {decoding.plausibility:g} compares the probabilities of "
                f"all tokens, and {self.identity} gives answers only.",
                remedy="set generate.plausibility to 0, or take a model that runs here.",
            )
        for name, excluded in (
            ("top_k", decoding.top_k),
            ("no_repeat_ngram", decoding.no_repeat_ngram),
        ):
            if excluded:
                raise PipelineError(
                    f"generate.{name} = {excluded} is no option of the protocol that "
                    f"{self.identity} is asked by.",
                    remedy=f"set generate.{name} to 0, or take a model that runs here.",
                )

    async def _replies(self, asked: Mapping[bytes, dict[str, Any]]) -> dict[bytes, Reply | None]:
        """Return the replies to requests by their digests, None where the budget was used up."""
        slots = asyncio.Semaphore(self._server.concurrency)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {
                    digest: group.create_task(self._reply(digest, body, slots))
                    for digest, body in asked.items()
                }
        except ExceptionGroup as failed:
            # What else is under way is paid for: its answers are kept before the run stops.
            await self._http.settle()
            first = failed.exceptions[0]
            raise going_on(first, self.account.figures()) from None
        return {digest: task.result() for digest, task in tasks.items()}

    async def _reply(
        self, digest: bytes, body: dict[str, Any], slots: asyncio.Semaphore
    ) -> Reply | None:
        """Return the reply, or None once the budget is used up; requests under way are awaited."""
        kept = self.account.find(digest)
        if kept is not None:
            return kept
        await slots.acquire()
        reply = None if self.account.exhausted else await self._ask(body)
        slots.release()  # but not after a failure: nobody shall ask before all are stopped
        return reply

    async def _ask(self, body: dict[str, Any]) -> Reply:
        path = PATHS[self._server.endpoint]
        try:
            response = await self._client.post(path, cast_to=httpx2.Response, body=body)
        except APIError as error:
            # Not chained: the request inside holds the key.
            raise explained(error, self._server, key=self._key) from None
        reply: Reply = response.extensions["reply"]
        return reply

    def _body(self, request: Request, decoding: Decoding) -> dict[str, Any]:
        text = request.wanted.text
        asked: dict[str, Any] = (
            {"messages": [{"role": "user", "content": text}]}
            if self._server.endpoint == "chat"
            else {"prompt": text}
        )
        return asked | {
            "model": self._name,
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            "max_tokens": decoding.max_new_tokens,
            "seed": int(generator(decoding.seed, request.key).integers(2**31)),
            "stop": ["\n"],
        }

    async def _hang_up(self) -> None:
        await self._http.settle(GRACE_S)
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._client.close()


def _first_line(reply: Reply) -> Answer:
    line, ended, _ = reply.text.lstrip().partition("\n")
    return Answer(text=line.strip(), finished=reply.finished or bool(ended))
