"""A language model by rule, for tests and the ``smoke`` profile: the whole pipeline in seconds."""

import math
from collections.abc import Sequence

from stages.language_models.protocol import Answer, Decoding, Prompt, Request
from stages.language_models.randomness import generator

FILLERS = ("in the end", "as it happens", "so they say", "these days", "by all accounts")


class ScriptedLanguageModel:
    """Rewrites the sentence of a prompt by rule; the likelihood of a text is its word overlap.

    It knows no language, but it answers prompts of any form whose last line but one or last line
    holds the sentence, draws its rewriting from the request's key and the seed, and gives likelier
    continuations to texts that share words with the prompt's sentence.
    """

    @property
    def identity(self) -> str:
        """Name and version of the rules."""
        return "scripted 1"

    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one rewriting per request."""
        return [self._rewritten(request, decoding.seed) for request in requests]

    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return a log-likelihood that rises with the words shared."""
        return [self._log_likelihood(prompt, text) for prompt, text in pairs]

    def _rewritten(self, request: Request, seed: int) -> Answer:
        words = _sentence(request.wanted).rstrip(".?!").split()
        random = generator(seed, request.key)
        filler = FILLERS[int(random.integers(len(FILLERS)))]
        if "ppos" in request.wanted.suffix:
            kept = words[: math.ceil(len(words) / 2)]
            return Answer(" ".join(["Nobody says that", *kept, filler]) + ".", finished=True)
        turned = words[1:] + words[:1]
        return Answer(" ".join([filler.capitalize(), *turned]) + ".", finished=True)

    def _log_likelihood(self, prompt: Prompt, text: str) -> float:
        known = set(_sentence(prompt).lower().split())
        words = text.lower().split()
        return -sum(1.0 if word in known else 4.0 for word in words) - 1.0


def _sentence(prompt: Prompt) -> str:
    """Return what stands behind the first colon of the row's own part of the prompt."""
    return prompt.suffix.split("\n")[0].partition(":")[2].strip()
