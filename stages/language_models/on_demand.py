"""A language model that is loaded where and when it is first asked."""

from collections.abc import Callable, Sequence

from stages.language_models.protocol import Answer, Decoding, LanguageModel, Prompt, Request


class ModelOnDemand:
    """Knows who it is without its weights; can be sent to another machine, without them too.

    Args:
        load: Loads the model; must be something that can be sent, such as a function of a module
            with its arguments.
        identity: Weights and arithmetic of the model that ``load`` will return.
    """

    def __init__(self, load: Callable[[], LanguageModel], *, identity: str) -> None:
        self._load = load
        self._identity = identity
        self._model: LanguageModel | None = None

    def __getstate__(self) -> dict[str, object]:
        """Return what travels: everything but the loaded model."""
        return {**vars(self), "_model": None}

    @property
    def identity(self) -> str:
        """Weights and arithmetic."""
        return self._identity

    def write(self, requests: Sequence[Request], decoding: Decoding) -> list[Answer]:
        """Return one answer per request, in the order asked."""
        return self._loaded().write(requests, decoding)

    def log_likelihoods(self, pairs: Sequence[tuple[Prompt, str]]) -> list[float]:
        """Return log P(continuation | prompt) in nats for each (prompt, continuation)."""
        return self._loaded().log_likelihoods(pairs)

    def _loaded(self) -> LanguageModel:
        if self._model is None:
            self._model = self._load()
        return self._model
