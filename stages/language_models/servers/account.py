"""What asking a server has used so far, over all runs that work on the same shards."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, NonNegativeInt

from stages.errors import PipelineError
from stages.language_models.servers.settings import Server
from stages.tables import write_json


class Usage(BaseModel):
    """Counts that only grow."""

    model_config = ConfigDict(extra="forbid")

    requests: NonNegativeInt = 0
    """Asked over the wire, repetitions included."""
    retries: NonNegativeInt = 0
    """Those of them that repeated one that had failed."""
    prompt_tokens: NonNegativeInt = 0
    completion_tokens: NonNegativeInt = 0


@dataclass
class Account:
    """Usage with its budget and its prices.

    It is kept beside the finished shards: a stopped run has been paid for, so the run that
    continues it goes on counting.
    """

    server: Server
    used: Usage = field(default_factory=Usage)
    path: Path | None = None

    @property
    def tokens(self) -> int:
        """Tokens read and written together."""
        return self.used.prompt_tokens + self.used.completion_tokens

    @property
    def exhausted(self) -> bool:
        """Whether the budget is used up."""
        budget = self.server.budget_tokens
        return budget is not None and self.tokens >= budget

    def resume(self, path: Path) -> None:
        """Count on from what ``path`` holds, if it is there, and keep the account there.

        Raises:
            PipelineError: When the file cannot be read.
        """
        self.path = path
        if not path.exists():
            return
        try:
            self.used = Usage.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise PipelineError(
                f"{path} does not say what the server has been asked so far: {error}",
                remedy="delete it; what was used until now is then not counted.",
            ) from error

    def save(self) -> None:
        """Write the account to its file, if it has one."""
        if self.path is not None:
            write_json(self.used.model_dump(), self.path)

    def figures(self) -> dict[str, float]:
        """Return usage and its cost, in the currency of the prices."""
        millionths = (
            self.used.prompt_tokens * self.server.price_per_million_prompt_tokens
            + self.used.completion_tokens * self.server.price_per_million_completion_tokens
        )
        return {**self.used.model_dump(), "cost": round(millionths / 1e6, 6)}


@runtime_checkable
class Metered(Protocol):
    """A language model whose use is counted and whose connections must be closed."""

    account: Account

    def close(self) -> None:
        """End all connections."""


@contextmanager
def accounted(model: object, folder: Path) -> Iterator[None]:
    """Keep the account of a metered model in ``folder`` and close the model at the end.

    Models that run here are left alone.
    """
    if not isinstance(model, Metered):
        yield
        return
    with closing(model):
        model.account.resume(folder / "usage.json")
        yield


def usage_figures(model: object) -> dict[str, dict[str, float]]:
    """Return what a metered model has used under the key ``server``; nothing for the others."""
    return {"server": model.account.figures()} if isinstance(model, Metered) else {}
