"""How a server is asked: plain values, read without loading any client."""

from dataclasses import dataclass

PATHS = {"chat": "/chat/completions", "completions": "/completions"}
"""Where below the base URL each kind of endpoint lies."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where a language model is asked, and how hard; see ``stages.params.ServerParams``."""

    base_url: str
    endpoint: str
    concurrency: int
    requests_per_minute: int | None
    tokens_per_minute: int | None
    timeout_s: float
    max_attempts: int
    budget_tokens: int | None
    price_per_million_prompt_tokens: float
    price_per_million_completion_tokens: float

    @property
    def url(self) -> str:
        """The address that every request goes to."""
        return self.base_url.rstrip("/") + PATHS[self.endpoint]
