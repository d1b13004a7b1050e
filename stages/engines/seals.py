"""Files that say themselves whether they are whole, and what they are.

A sealed file holds its label (which piece of which work it is) and the SHA-256 of all its other
bytes, the label included, in one text. Parquet keeps that text among its key-value metadata,
safetensors in its header, and behind an array in NumPy's format it is no part of the array: each
stays a file that its own library reads.
"""

import hashlib
import re
from typing import Literal

OPENING = b"multicsr-seal:"
DIGITS = 64
BLANK = b"0" * DIGITS
LABEL = re.compile(r"[A-Za-z0-9 ._=-]+")
"""Characters that look the same in every one of these formats."""
Fault = Literal["damaged", "foreign"]
"""``damaged``: not the bytes that were written; ``foreign``: whole, but something else."""


def blank_seal(label: str) -> str:
    """Return the text that a file must hold before it can be sealed.

    >>> blank_seal("generate 1f shard 0").replace("0" * 64, "...")
    'multicsr-seal:...:generate 1f shard 0;'
    """
    if not LABEL.fullmatch(label):
        message = f"{label!r} is no label"
        raise ValueError(message)
    return f"{OPENING.decode()}{BLANK.decode()}:{label};"


def sealed(data: bytes) -> bytes:
    """Return ``data``, which holds a blank seal, with the seal filled in."""
    start = data.rfind(OPENING + BLANK)
    if start < 0:
        message = "no blank seal to fill in"
        raise ValueError(message)
    place = start + len(OPENING)
    return b"".join([data[:place], _digest(data, place), data[place + DIGITS :]])


def fault_of(data: bytes, label: str) -> Fault | None:
    """Say what is wrong with the bytes of a file that should be sealed as ``label``, if anything.

    The last seal counts: texts inside the data come before it in every format.
    """
    start = data.rfind(OPENING)
    place = start + len(OPENING)
    if start < 0 or data[place : place + DIGITS] != _digest(data, place):
        return "damaged"
    label_is_there = data.startswith(f":{label};".encode(), place + DIGITS)
    return None if label_is_there else "foreign"


def _digest(data: bytes, place: int) -> bytes:
    view = memoryview(data)
    digest = hashlib.sha256(view[:place])
    digest.update(view[place + DIGITS :])
    return digest.hexdigest().encode()
