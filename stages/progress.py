"""How a stage says how far it is, without knowing who is watching."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Opens a display; the function it yields is told how many items were just done."""

    def __call__(
        self, description: str, *, total: int, unit: str
    ) -> AbstractContextManager[Callable[[int], None]]:
        """Show ``description`` and count up to ``total`` items of ``unit`` (plural)."""
        ...


@contextmanager
def silent(
    description: str,  # noqa: ARG001  a Progress is told these, whether or not it shows them
    *,
    total: int,  # noqa: ARG001
    unit: str,  # noqa: ARG001
) -> Iterator[Callable[[int], None]]:
    """Show nothing: for tests and for use as a library."""
    yield lambda _done: None


@contextmanager
def kept_when_stopped(describe: Callable[[], str]) -> Iterator[None]:
    """When a signal stops the block, let the exception tell what of its work is kept.

    Args:
        describe: Returns that in one line; called only then. It becomes a note of the exception.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as stop:
        stop.add_note(describe())
        raise
