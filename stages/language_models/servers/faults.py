"""From what the client reports to what the user can do about it."""

from collections.abc import Mapping

import httpx2
from openai import APIError, APIStatusError, APITimeoutError

from stages.errors import PipelineError
from stages.language_models.servers.keys import REMEDY as KEY
from stages.language_models.servers.keys import Key
from stages.language_models.servers.replies import UnreadableReply, read_refusal, shortened
from stages.language_models.servers.settings import Server

REMEDIES = {
    401: KEY,
    403: KEY,
    404: "mend server.base_url (most end in /v1), server.endpoint or the model behind api:.",
    429: "set server.requests_per_minute and server.tokens_per_minute to what the server grants, "
    "lower server.concurrency, or see to the quota.",
}
"""By status."""
MEND = "mend what the server names: models.llm.reference, server.base_url, generate.* or the like."
MOVED = "if you trust the new place, set server.base_url to it; the key was not sent there."
LATER = "wait until the server is well."


def explained(error: APIError, server: Server, *, key: Key) -> PipelineError:
    """Return what went wrong with ``server`` and what to do about it, without ``key``."""
    cause, remedy = _cause(error, server, key)
    return PipelineError(cause, remedy=remedy)


def going_on(error: Exception, figures: Mapping[str, float]) -> Exception:
    """Return an error a user can mend with what is kept and what it took so far; others as is."""
    if not isinstance(error, PipelineError):
        return error
    return PipelineError(error.cause, remedy=f"{error.remedy} {_kept(figures)}")


def budget_reached(figures: Mapping[str, float], server: Server) -> PipelineError:
    """Return that the budget is used up, with what it went for."""
    return PipelineError(
        f"server.budget_tokens = {server.budget_tokens:,} is reached.",
        remedy=f"raise it. {_kept(figures)}",
    )


def _cause(error: APIError, server: Server, key: Key) -> tuple[str, str]:
    if isinstance(error, APIStatusError):
        return _refused(error.response, server, key)
    tried = f"in {server.max_attempts} attempts" if server.max_attempts > 1 else "in one attempt"
    if isinstance(error, APITimeoutError):
        return (
            f"{server.url} gave no whole reply within {server.timeout_s:g} s {tried}.",
            "see whether the server still works, raise server.timeout_s or lower "
            "server.concurrency.",
        )
    if isinstance(error.__cause__, UnreadableReply):
        return (
            f"{server.url} sent no completion {tried}, but: {_quoted(str(error.__cause__), key)}",
            "see that server.base_url leads to an OpenAI-compatible server that has the endpoint "
            "server.endpoint.",
        )
    reason = f"{type(error.__cause__).__name__}: {error.__cause__}"
    return (
        f"{server.url} could not be asked {tried}: {_quoted(reason, key)}",
        "start the server or mend server.base_url.",
    )


def _refused(response: httpx2.Response, server: Server, key: Key) -> tuple[str, str]:
    status = response.status_code
    if "location" in response.headers and not response.is_error:
        place = _quoted(response.headers["location"], key)
        return f"{server.url} answers {status} and points to {place}", MOVED
    said = _quoted(read_refusal(response), key) or "nothing more"
    pause = response.headers.get("retry-after")
    asks = f" (it asks to come back after {_quoted(pause, key)} s)" if pause else ""
    otherwise = MEND if status < httpx2.codes.INTERNAL_SERVER_ERROR else LATER
    return f"{server.url} answers {status}: {said}{asks}", REMEDIES.get(status, otherwise)


def _kept(figures: Mapping[str, float]) -> str:
    """Say how to go on, what is kept, and what it took so far."""
    return (
        "Then run the same command again: every answer received so far is kept and not asked for "
        f"again ({figures['prompt_tokens']:,} tokens read and {figures['completion_tokens']:,} "
        f"written in {figures['requests']:,} requests, cost {figures['cost']:g})."
    )


def _quoted(text: str, key: Key) -> str:
    # A server may repeat the key it was sent. Cut first, a part of it would be shown.
    return shortened(key.hidden_in_error(text[:10_000]))
