"""A language model behind an OpenAI-compatible server."""

import asyncio
import os
from collections.abc import Sequence
from typing import Any, Never

import httpx2
from openai import APIError, AsyncOpenAI

from stages.errors import PipelineError
from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import generator
from stages.language_models.servers.account import Account
from stages.language_models.servers.client import Client
from stages.language_models.servers.faults import KEY, budget_reached, explained
from stages.language_models.servers.replies import Reply, read_reply
from stages.language_models.servers.settings import PATHS, Server

NO_KEY = "none"
"""Sent where there is no key: the client must send one, and a local server does not look at it."""


class ServedLanguageModel:
    """Asks a server for answers, many at a time over connections that are kept.

    Equal arguments give equal answers as far as the server heeds the seed it is sent.

    Args:
        name: What the server calls the model.
        server: Where it is and how hard it may be asked.
    """

    def __init__(self, name: str, server: Server) -> None:
        self.account = Account(server)
        self._name = name
        self._server = server
        self._key = _key()
        self._runner = asyncio.Runner()
        self._client = AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=server.base_url,
            timeout=server.timeout_s,
            max_retries=server.max_attempts - 1,
            http_client=Client(server, self.account),
        )

    @property
    def identity(self) -> str:
        """Model and address: all that can be known of weights behind a server."""
        return f"api:{self._name} at {self._server.url}"

    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked.

        Raises:
            PipelineError: When the decoding needs what servers do not give, the server refuses or
                keeps failing, or the budget is used up.
        """
        self._check(decoding)
        try:
            answers = self._runner.run(self._write(requests, decoding))
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            self.account.save()
        written = [answer for answer in answers if answer is not None]
        if len(written) < len(answers):
            raise budget_reached(self.account.figures(), self._server)
        return written

    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> Never:  # noqa: ARG002
        """Refuse: a server tells how likely its own answers are, not a text it is given."""
        raise PipelineError(
            f"{self.identity} does not tell how likely a given text is, which score.method "
            "likelihood and expectation measure.",
            remedy="set score.method to generate, or take a model that runs here.",
        )

    def close(self) -> None:
        """Abandon what is under way and end all connections; the model cannot be asked again."""
        self._runner.run(self._hang_up())
        self._runner.close()

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

    async def _write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer | None]:
        slots = asyncio.Semaphore(self._server.concurrency)
        async with asyncio.TaskGroup() as group:
            asked = [
                group.create_task(self._answer(self._body(request, decoding), slots))
                for request in requests
            ]
        return [task.result() for task in asked]

    async def _answer(self, body: dict[str, Any], slots: asyncio.Semaphore) -> Answer | None:
        """Return the answer, or None once the budget is used up; requests under way are awaited."""
        await slots.acquire()
        reply = None if self.account.exhausted else await self._ask(body)
        slots.release()  # but not after a failure: nobody shall ask before all are stopped
        if reply is None:
            return None
        line, ended, _ = reply.text.lstrip().partition("\n")
        return Answer(text=line.strip(), finished=reply.finished or bool(ended))

    async def _ask(self, body: dict[str, Any]) -> Reply:
        path = PATHS[self._server.endpoint]
        try:
            return read_reply(await self._client.post(path, cast_to=httpx2.Response, body=body))
        except APIError as error:
            # Not chained: the request inside holds the key.
            raise explained(error, self._server, key=self._key) from None

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
        under_way = asyncio.all_tasks() - {asyncio.current_task()}
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await self._client.close()


def _key() -> str | None:
    """Return the key from the environment, None where there is none."""
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    if not (key.isascii() and key.isprintable()):
        raise PipelineError("OPENAI_API_KEY holds characters that no key has.", remedy=KEY)
    return key or None
