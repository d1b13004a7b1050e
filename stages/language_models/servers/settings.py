"""How a server is asked: plain values, read without loading any client."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

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

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read what is sent: encrypted, or on this machine."""
        parts = urlsplit(self.base_url)
        return parts.scheme == "https" or _is_here(parts.hostname or "")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
