"""The seam to language models: what the stages may ask of any of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Prompt:
    """A text to continue, cut where rows begin to differ.

    ``prefix`` (instructions, demonstrations) is computed once for all prompts that share it.
    The tokens of a prompt are those of ``prefix`` followed by those of ``suffix``.
    """

    prefix: str
    suffix: str
    chat: bool = False
    """Whether the text is what a user says in the model's chat template."""

    @property
    def text(self) -> str:
        """The prompt as one string."""
        return self.prefix + self.suffix


@dataclass(frozen=True)
class Request:
    """One answer to be written: under ``wanted``, away from ``noisy``."""

    wanted: Prompt
    noisy: Prompt | None
    """None where omega is 0."""
    key: str
    """Names the row's random numbers, whatever batch the row is in."""


@dataclass(frozen=True)
class Decoding:
    """How answers are drawn from the scores; see ``stages.params.GenerateParams``."""

    omega: float
    plausibility: float
    temperature: float
    top_p: float
    max_new_tokens: int
    seed: int
    top_k: int = 0
    no_repeat_ngram: int = 0


@dataclass(frozen=True)
class Answer:
    """What the model wrote."""

    text: str
    """Up to the first line break, without the blanks around it."""
    finished: bool
    """False when the token limit came before the end of the answer."""


class LanguageModel(Protocol):
    """Anything that continues prompts. Equal arguments give equal answers."""

    @property
    def identity(self) -> str:
        """Weights and revision: part of every fingerprint and every report."""

    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked."""

    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return log P(continuation | prompt) in nats for each (prompt, continuation)."""
