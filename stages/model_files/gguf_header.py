"""The header of a GGUF file, held against the file's size before anything is made of it.

The layout is that of GGUF versions 2 and 3: counts, then keys with values, then tensors with
dimensions, type and place. A reader that believed a count would ask for all the memory there is.
"""

import struct
from pathlib import Path
from typing import BinaryIO

from stages.errors import PipelineError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_KEYS = 100_000
MOST_TENSORS = 1_000_000
MOST_ITEMS = 8_000_000
"""Entries of all arrays together; the greatest vocabularies have a million with their merges."""
MOST_DIMENSIONS = 4
DEEPEST_ARRAY = 4
LONGEST_TEXT = 64 * 1024**2
"""Bytes; some files carry a whole tokenizer.json."""
SCALAR_BYTES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
ALIGNMENT = 32
"""Bytes, where the file does not say otherwise."""


class _WrongError(Exception):
    """What is wrong with the header."""


def check_header(file: Path) -> None:
    """Check that every count, length and place in the header of ``file`` fits into it.

    Raises:
        PipelineError: When one does not, or the file is no GGUF file of a known version.
    """
    try:
        with file.open("rb") as opened:
            _Header(opened, file.stat().st_size).check()
    except _WrongError as wrong:
        raise PipelineError(
            f"{file.name} is not a GGUF file that can be trusted: {wrong}.",
            remedy="fetch it again, or mend the path in the reference.",
        ) from wrong


class _Header:
    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._left = self._size = size
        self._items = 0
        self._alignment = ALIGNMENT

    def check(self) -> None:
        if (magic := self._take(4)) != MAGIC:
            raise _WrongError(f"it begins with {magic!r}")
        if (version := self._number(4)) not in VERSIONS:
            raise _WrongError(f"its version is {version}, not {' or '.join(map(str, VERSIONS))}")
        tensors, keys = self._number(8), self._number(8)
        # A key takes 13 bytes at least and a tensor 24.
        self._require("tensors", tensors, least=24, most=MOST_TENSORS)
        self._require("keys", keys, least=13, most=MOST_KEYS)
        for _ in range(keys):
            self._key()
        places = [self._tensor() for _ in range(tensors)]
        self._check_places(places)

    def _key(self) -> None:
        name, kind = self._string(), self._number(4)
        if name == b"general.alignment":
            self._alignment = self._number(4) if kind == 4 else 0
            if self._alignment.bit_count() != 1:
                raise _WrongError("its alignment is no power of two")
        else:
            self._value(kind, depth=0)

    def _value(self, kind: int, *, depth: int) -> None:
        if kind in SCALAR_BYTES:
            self._skip(SCALAR_BYTES[kind])
        elif kind == STRING:
            self._string()
        elif kind == ARRAY and depth < DEEPEST_ARRAY:
            self._array(depth=depth + 1)
        else:
            raise _WrongError(f"a value has the unknown type {kind}")

    def _array(self, *, depth: int) -> None:
        kind, count = self._number(4), self._number(8)
        self._require("entries of an array", count, least=SCALAR_BYTES.get(kind, 8))
        self._items += count
        if self._items > MOST_ITEMS:
            raise _WrongError(f"its arrays have more than {MOST_ITEMS:,} entries")
        if kind in SCALAR_BYTES:
            self._skip(count * SCALAR_BYTES[kind])
        else:
            for _ in range(count):
                self._value(kind, depth=depth)

    def _tensor(self) -> tuple[int, int]:
        """Return where a tensor begins in the data, and its bytes."""
        from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

        name = self._string().decode("utf-8", errors="replace")[:80]
        if (dimensions := self._number(4)) > MOST_DIMENSIONS:
            raise _WrongError(f"tensor {name!r} has {dimensions:,} dimensions")
        entries = 1
        for _ in range(dimensions):
            entries *= self._number(8)
        kind, place = self._number(4), self._number(8)
        try:
            block, block_bytes = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
        except (KeyError, ValueError):
            raise _WrongError(f"tensor {name!r} has the unknown type {kind}") from None
        size = entries * block_bytes // block
        if entries == 0 or entries % block or size > self._size:
            raise _WrongError(f"tensor {name!r} claims {entries:,} numbers")
        if place % self._alignment:
            raise _WrongError(f"tensor {name!r} begins at byte {place:,}, which is not aligned")
        return place, size

    def _check_places(self, places: list[tuple[int, int]]) -> None:
        read = self._size - self._left
        room = self._size - (read + -read % self._alignment)
        end = 0
        for place, size in sorted(places):
            if place < end:
                raise _WrongError("two tensors overlap")
            end = place + size
        if end > room:
            raise _WrongError(f"its tensors take {end:,} bytes, and {max(room, 0):,} are there")

    def _require(self, what: str, count: int, *, least: int, most: int | None = None) -> None:
        if count * least > self._left or (most is not None and count > most):
            raise _WrongError(f"it claims {count:,} {what} in {self._size:,} bytes")

    def _string(self) -> bytes:
        length = self._number(8)
        self._require("characters of a text", length, least=1, most=LONGEST_TEXT)
        return self._take(length)

    def _number(self, size: int) -> int:
        number: int = struct.unpack("<I" if size == 4 else "<Q", self._take(size))[0]
        return number

    def _skip(self, size: int) -> None:
        if size > self._left:
            raise _WrongError("it is cut off")
        self._file.seek(size, 1)
        self._left -= size

    def _take(self, size: int) -> bytes:
        if size > self._left:
            raise _WrongError("it is cut off")
        self._left -= size
        return self._file.read(size)
