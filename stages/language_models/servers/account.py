"""What asking a server has used so far, over all runs of the same work, and what it answered."""

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine
from stages.language_models.servers.answers import Answers, answers_folder
from stages.language_models.servers.replies import Reply
from stages.language_models.servers.settings import Server
from stages.language_models.servers.usage import Usage

log = logging.getLogger(__name__)


@dataclass
class Account:
    """Usage with its budget and its prices; the answers too, where they are kept.

    A work is a stage with its inputs and settings. All its runs, also those of other processes at
    the same time, share one account: what a stopped run has paid for stays counted.
    """

    server: Server
    answers: Answers | None = None
    work: str = ""
    _booked: Usage = field(default_factory=Usage, init=False)
    _open: Usage = field(default_factory=Usage, init=False)

    @property
    def used(self) -> Usage:
        """What all runs of the work have used, as far as this process knows."""
        return self._booked + self._open

    @property
    def exhausted(self) -> bool:
        """Whether the budget is used up."""
        budget = self.server.budget_tokens
        return budget is not None and self.used.tokens >= budget

    def keep(self, answers: Answers, work: str) -> None:
        """Count on from what ``work`` has spent; take answers from ``answers``, keep new ones."""
        self.answers, self.work = answers, work
        self._booked = answers.spent(work)

    def find(self, request: bytes) -> Reply | None:
        """Return the answer that an earlier request of this digest was given, if it is kept."""
        reply = self.answers.find(request) if self.answers else None
        if reply is not None:
            self._open += Usage(reused=1)
        return reply

    def asked(self, *, again: bool) -> None:
        """Count a request that is being sent."""
        self._open += Usage(requests=1, retries=int(again))

    def answered(self, request: bytes, reply: Reply) -> None:
        """Count a reply and keep it, at once."""
        self._open += Usage(
            prompt_tokens=reply.prompt_tokens, completion_tokens=reply.completion_tokens
        )
        self._book({request: reply})

    def save(self) -> None:
        """Book what was counted since the last answer."""
        if self._open != Usage():
            self._book({})

    def figures(self) -> dict[str, float]:
        """Return usage and its cost, in the currency of the prices."""
        used = self.used
        millionths = (
            used.prompt_tokens * self.server.price_per_million_prompt_tokens
            + used.completion_tokens * self.server.price_per_million_completion_tokens
        )
        return {**asdict(used), "cost": round(millionths / 1e6, 6)}

    def _book(self, answers: dict[bytes, Reply]) -> None:
        if self.answers is not None:
            self._booked = self.answers.book(self.work, self._open, answers=answers)
            self._open = Usage()


@runtime_checkable
class Metered(Protocol):
    """A language model whose use is counted and whose connections must be closed."""

    account: Account

    @property
    def identity(self) -> str:
        """Model and address."""

    def close(self) -> None:
        """End all connections; once more does nothing."""


@contextmanager
def accounted(model: object, folder: Path, *, work: Path) -> Iterator[None]:
    """Keep the answers of a metered model below ``work``, and close the model at the end.

    Models that run here are left alone.

    Args:
        model: Any language model, or none.
        folder: Names, below ``work``, the work whose account this is.
        work: Folder of unfinished work.
    """
    if not isinstance(model, Metered):
        yield
        return
    with ExitStack() as ending:
        ending.callback(model.close)
        kept = Answers(answers_folder(work, model.identity), model=model.identity)
        answers = ending.enter_context(kept)
        ending.callback(model.close)  # first of all: answers under way are kept too
        model.account.keep(answers, folder.relative_to(work).as_posix())
        yield


def asked_from_here(model: object, engine: Engine) -> Engine:
    """Return what asks ``model``: this process where the model is metered, else ``engine``.

    A server answers as many at once as ``server.concurrency`` says, whoever asks; and one account
    and one store of answers see to it that nothing is paid for twice.
    """
    if not isinstance(model, Metered) or isinstance(engine, LocalEngine):
        return engine
    log.info("%s is asked from here: a server needs no workers", model.identity)
    return LocalEngine()


def usage_figures(model: object) -> dict[str, dict[str, float]]:
    """Return what a metered model has used under the key ``server``; nothing for the others."""
    return {"server": model.account.figures()} if isinstance(model, Metered) else {}
