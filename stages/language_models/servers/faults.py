"""From what the client reports to what the user can do about it."""

import httpx2
from openai import APIError, APIStatusError, APITimeoutError

from stages.errors import PipelineError
from stages.language_models.servers.replies import UnreadableReply, shortened
from stages.language_models.servers.settings import Server

KEPT = "finished shards are kept and not asked for again."
KEY = "put a key that this server accepts into the environment variable OPENAI_API_KEY."
REMEDIES = {
    401: KEY,
    403: KEY,
    404: "mend server.base_url (most end in /v1), server.endpoint or the model behind api:.",
    429: "set server.requests_per_minute and server.tokens_per_minute to what the server grants, "
    f"lower server.concurrency, or see to the quota; then run again: {KEPT}",
}
"""By status."""
MEND = "mend what the server names: models.llm.reference, server.base_url, generate.* or the like."
LATER = f"run the same command again later: {KEPT}"


def explained(error: APIError, server: Server, *, key: str | None) -> PipelineError:
    """Return what went wrong with ``server`` and what to do, without ``key``."""
    if isinstance(error, APIStatusError):
        said = _quoted(_body(error.response), key) or "nothing more"
        otherwise = MEND if error.status_code < 500 else LATER
        return PipelineError(
            f"{server.url} answers {error.status_code}: {said}",
            remedy=REMEDIES.get(error.status_code, otherwise),
        )
    tried = f"in {server.max_attempts} attempts" if server.max_attempts > 1 else "in one attempt"
    if isinstance(error, APITimeoutError):
        return PipelineError(
            f"{server.url} gave no whole reply within {server.timeout_s:g} s {tried}.",
            remedy=f"raise server.timeout_s or lower server.concurrency; {KEPT}",
        )
    if isinstance(error.__cause__, UnreadableReply):
        return PipelineError(
            f"{server.url} sent no completion {tried}, but: {_quoted(str(error.__cause__), key)}",
            remedy="see that server.base_url leads to an OpenAI-compatible server that has the "
            f"endpoint server.endpoint; {KEPT}",
        )
    reason = f"{type(error.__cause__).__name__}: {error.__cause__}"
    return PipelineError(
        f"{server.url} could not be asked {tried}: {_quoted(reason, key)}",
        remedy=f"start the server or mend server.base_url, then run again: {KEPT}",
    )


def budget_reached(figures: dict[str, float], server: Server) -> PipelineError:
    """Return that the budget is used up, with what it went for."""
    return PipelineError(
        f"server.budget_tokens = {server.budget_tokens:,} is reached: "
        f"{figures['prompt_tokens']:,} tokens read and {figures['completion_tokens']:,} written "
        f"in {figures['requests']:,} requests, cost {figures['cost']:g}.",
        remedy=f"raise the budget and run the same command again: {KEPT}",
    )


def _quoted(text: str, key: str | None) -> str:
    # A server may repeat the key it was sent. Cut first, a part of it would be shown.
    return shortened(text.replace(key, "[key]") if key else text)


def _body(response: httpx2.Response) -> str:
    try:
        return response.text
    except httpx2.StreamError:  # not read, or closed before it was
        return ""
