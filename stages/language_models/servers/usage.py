"""What asking a server takes, as counts that only grow."""

from dataclasses import asdict, dataclass
from typing import Self


@dataclass(frozen=True)
class Usage:
    """What was asked and what it took."""

    requests: int = 0
    """Sent over the wire, repetitions included."""
    retries: int = 0
    """Those of them that repeated one that had failed."""
    reused: int = 0
    """Answers taken from those that were paid for before."""
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Self) -> "Usage":
        mine, more = asdict(self), asdict(other)
        return Usage(**{name: mine[name] + more[name] for name in mine})

    @property
    def tokens(self) -> int:
        """Tokens read and written together."""
        return self.prompt_tokens + self.completion_tokens
