"""The errors a user can mend, and the exit codes they end a command with."""

import difflib
from collections.abc import Iterable
from functools import partial
from typing import Any


class PipelineError(Exception):
    """What is wrong, and what to do about it. Neither half is optional.

    Args:
        cause: One line that names the value and the place.
        remedy: What the reader can do about it.
    """

    exit_code = 2

    def __init__(self, cause: str, *, remedy: str) -> None:
        self.cause = cause
        self.remedy = remedy
        super().__init__(f"{cause}\n  remedy: {remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Say how the error is made anew, so that it can come here from another process."""
        return partial(type(self), remedy=self.remedy), (self.cause,)


class QualityError(PipelineError):
    """The data fell below a critical expectation; the call itself was right, so the code is 1."""

    exit_code = 1


def first_line(error: BaseException) -> str:
    r"""Return the first line that ``error`` says, without its full stop; its kind if it is silent.

    >>> first_line(ValueError("no header.\nSee byte 3.")), first_line(KeyError())
    ('no header', 'KeyError')
    """
    said = str(error).strip().splitlines() or [type(error).__name__]
    return said[0].strip().rstrip(".")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the one of ``words`` that ``word`` was most likely meant to be, if any looks like it.

    >>> nearest("starer", ["starter", "smoke"]), nearest("xyz", ["starter", "smoke"])
    ('starter', None)
    """
    return next(iter(difflib.get_close_matches(word, list(words), n=1)), None)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown ``word``: ``, did you mean WORD?`` or a stop.

    >>> did_you_mean("starer", ["starter", "smoke"]), did_you_mean("xyz", ["starter", "smoke"])
    (', did you mean starter?', '.')
    """
    near = nearest(word, words)
    return f", did you mean {near}?" if near else "."
