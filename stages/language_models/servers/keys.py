"""The key to a server: sent to it, and shown to nobody."""

import os
from dataclasses import dataclass, field

from stages.errors import PipelineError

VARIABLE = "OPENAI_API_KEY"
REMEDY = f"put a key that this server accepts into the environment variable {VARIABLE}."
HIDDEN = "[key]"
PIECE_CHARACTERS = 8
"""So many characters of a key in a row are taken for a part of it."""
SECRET_CHARACTERS = 16
"""A shorter key is a stand-in such as `none` or `test`, and may well be a word of an answer."""


@dataclass(frozen=True)
class Key:
    """A key, or none; its own text is in no representation of it."""

    text: str | None = field(repr=False)

    def hidden_in_answer(self, answer: str) -> str:
        """Return ``answer`` without the key: a server may put it even there.

        >>> Key("sk-0123456789abcdef").hidden_in_answer("It is sk-0123456789abcdef.")
        'It is [key].'
        """
        if self.text is None or len(self.text) < SECRET_CHARACTERS:
            return answer
        return answer.replace(self.text, HIDDEN)

    def hidden_in_error(self, said: str) -> str:
        """Return what a server or a library said without the key and without parts of it.

        >>> Key("sk-0123456789abcdef").hidden_in_error("sk-0123... and 456789abcdef are wrong")
        'sk-0123... and [key] are wrong'
        """
        if self.text is None:
            return said
        if len(self.text) < SECRET_CHARACTERS:
            return said.replace(self.text, HIDDEN)
        return _without_pieces(said, self.text)


def key_of_environment() -> Key:
    """Return the key from the environment.

    Raises:
        PipelineError: When it cannot be one; it is not shown.
    """
    text = os.environ.get(VARIABLE, "").strip()
    if not (text.isascii() and text.isprintable()):
        raise PipelineError(f"{VARIABLE} holds characters that no key has.", remedy=REMEDY)
    return Key(text or None)


def _without_pieces(said: str, key: str) -> str:
    size = PIECE_CHARACTERS
    pieces = {key[start : start + size] for start in range(len(key) - size + 1)}
    shown: list[str] = []
    place = 0
    while place < len(said):
        if said[place : place + size] in pieces:
            place += size
            while said[place - size + 1 : place + 1] in pieces:
                place += 1
            shown.append(HIDDEN)
        else:
            shown.append(said[place])
            place += 1
    return "".join(shown)
