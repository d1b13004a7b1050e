"""Text files as people have them: UTF-8 with or without BOM, with any common line ending.

Encoding faults are found here, with byte and line, so that no reader has to explain them.
"""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from stages.errors import PipelineError

CHUNK_BYTES = 1 << 24
BOM = "\ufeff"


def require_file(path: Path) -> None:
    """Check that ``path`` is a file that can be opened and holds at least one byte.

    Raises:
        PipelineError: When it is missing, a folder, unreadable or empty.
    """
    if path.is_dir():
        raise PipelineError(f"{path} is a folder, not a file.", remedy="name one file inside it.")
    if not path.is_file():
        raise PipelineError(
            f"{path} does not exist.",
            remedy="mend the path; it starts from the folder the command runs in.",
        )
    try:
        beginning = _beginning(path)
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be read: {error.strerror}.", remedy="mend the file's permissions."
        ) from error
    if not beginning:
        raise PipelineError(f"{path} is empty (0 bytes).", remedy="fill it, or name another file.")


def require_text(path: Path) -> None:
    """Check that ``path`` is UTF-8 text from end to end, some megabytes at a time.

    Raises:
        PipelineError: At the first byte that is not, or is zero; byte and line count from 1.
    """
    if _beginning(path) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        raise PipelineError(
            f"{path} is UTF-16, not UTF-8: it begins with bytes {_beginning(path).hex(' ')}.",
            remedy="save it as UTF-8, such as with `iconv -f UTF-16 -t UTF-8`.",
        )
    bytes_before, lines_before = 0, 0
    for block in _blocks(path):
        if (fault := _first_fault(block)) is not None:
            at, what = fault
            byte, line = bytes_before + at + 1, lines_before + block[:at].count(b"\n") + 1
            raise PipelineError(
                f"{path} is not UTF-8 text: byte {byte:,} (line {line:,}) {what}.",
                remedy="save it as UTF-8 text, or name a file that is.",
            )
        bytes_before += len(block)
        lines_before += block.count(b"\n")


def read_lines(path: Path) -> pl.Series:
    """Return every line of ``path`` without its ending (LF or CR LF) and without a BOM.

    Raises:
        PipelineError: When the file cannot be used as text; see the two checks above.
    """
    return pl.concat(list(line_batches(path)))


def line_batches(path: Path) -> Iterator[pl.Series]:
    """Give what :func:`read_lines` returns some megabytes at a time, once all of it was checked.

    Raises:
        PipelineError: As there, before the first line.
    """
    require_file(path)
    require_text(path)
    for number, block in enumerate(_blocks(path)):
        lines = pl.read_lines(io.BytesIO(block), name="line").to_series()
        if number == 0:
            lines = lines.head(1).str.strip_prefix(BOM).append(lines.slice(1))
        yield lines


def count_lines(path: Path) -> int:
    """Return the number of lines of ``path``, a last one without an ending included."""
    lines, block = 0, b""
    for block in _blocks(path):
        lines += block.count(b"\n")
    return lines + (not block.endswith(b"\n"))


def _blocks(path: Path) -> Iterator[bytes]:
    """Give the bytes of a file some megabytes at a time, whole lines each."""
    with path.open("rb") as file:
        while block := file.read(CHUNK_BYTES):
            yield block + file.readline()


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(2)


def _first_fault(block: bytes) -> tuple[int, str] | None:
    zero = block.find(b"\0")
    try:
        block.decode("utf-8")
    except UnicodeDecodeError as error:
        if zero < 0 or error.start < zero:
            return error.start, f"is {block[error.start]:02x}, which cannot stand there"
    return None if zero < 0 else (zero, "is 00, which only binary files have")
