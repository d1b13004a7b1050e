"""What a server sent back: read strictly, and shown in errors with care."""

import json
from dataclasses import dataclass

import httpx2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

SHOWN_CHARACTERS = 160
CUT_OFF = ("length", "content_filter")
"""Reasons to stop that leave an answer incomplete."""
TOKEN_CHARACTERS = 128
"""No vocabulary has longer tokens: no honest answer is longer than its tokens times this."""
MOST_TOKENS = 10**9
"""Usage above it, for one request, is no count of tokens."""


class UnreadableReply(httpx2.RemoteProtocolError):
    """A reply that says well done but is no completion.

    It is a fault of the transfer to the client, which therefore asks again. Its text is the
    reply's, or says what is wrong with it.
    """


@dataclass(frozen=True)
class Reply:
    """A completion and what it took."""

    text: str
    finished: bool
    """Whether the model came to an end by itself."""
    prompt_tokens: int
    completion_tokens: int


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)


class _Message(_Form):
    content: str | None
    """None where the model refused to answer."""


class _Choice(_Form):
    finish_reason: str


class _Chosen(_Choice):
    message: _Message

    @property
    def said(self) -> str:
        return self.message.content or ""


class _Continued(_Choice):
    text: str

    @property
    def said(self) -> str:
        return self.text


class _Usage(_Form):
    prompt_tokens: int = Field(ge=0, le=MOST_TOKENS)
    completion_tokens: int = Field(ge=0, le=MOST_TOKENS)


class _Completion(_Form):
    choices: list[_Chosen | _Continued] = Field(min_length=1, max_length=1)
    usage: _Usage


def read_reply(response: httpx2.Response, *, max_tokens: int) -> Reply:
    """Read a completion of at most ``max_tokens`` tokens.

    Raises:
        UnreadableReply: When it is anything else: not JSON, cut off, another schema, not one
            choice, far longer than was asked for, or without the usage figures that budget and
            cost are counted by.
    """
    try:
        completion = _Completion.model_validate_json(response.content)
    except ValidationError:
        raise UnreadableReply(response.text, request=response.request) from None
    choice = completion.choices[0]
    if len(choice.said) > max_tokens * TOKEN_CHARACTERS:
        long = f"an answer of {len(choice.said):,} characters, where {max_tokens} tokens were asked"
        raise UnreadableReply(long, request=response.request)
    return Reply(
        text=choice.said,
        finished=choice.finish_reason not in CUT_OFF,
        prompt_tokens=completion.usage.prompt_tokens,
        completion_tokens=completion.usage.completion_tokens,
    )


def read_refusal(response: httpx2.Response) -> str:
    """Return what a server says about a failure: its message where it has one, else all of it."""
    try:
        error = json.loads(response.content)["error"]
        message = error if isinstance(error, str) else error["message"]
    except (ValueError, TypeError, KeyError, RecursionError):
        message = None
    return message if isinstance(message, str) and message else response.text


def shortened(text: str) -> str:
    r"""Return the beginning of ``text`` on one line, without characters that steer a terminal.

    >>> shortened("<html>\n  <h1>\x1b[31mNo</h1>")
    '<html> <h1> [31mNo</h1>'
    """
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    shown = " ".join(shown.split())
    return shown if len(shown) <= SHOWN_CHARACTERS else shown[:SHOWN_CHARACTERS] + " ..."
