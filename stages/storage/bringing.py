"""Inputs by address: brought here whole, into a folder that is gone afterwards.

A file that is here can be checked from end to end before a row of it is used, and read as any
other. What comes is not trusted: no more bytes are taken than were announced, and no name leads
out of the folder.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from stages.errors import PipelineError
from stages.storage.addresses import local_path, opened, told, unreachable

CHUNK_BYTES = 1 << 23
MOST_FILES = 10_000
"""In a folder."""
ROOM_LEFT = 1 << 28
"""Bytes of the disk that stay free."""


@contextmanager
def brought(reference: str) -> Iterator[Path]:
    """Give a path here with what ``reference`` names: itself, or a copy for as long as the block.

    Faults that are found in the copy are told of the address.

    Args:
        reference: A path, or an address of a file or folder: s3://, gs://, hdfs:// or file://.

    Raises:
        PipelineError: When it cannot be brought.
    """
    here = local_path(reference)
    if here is not None:
        yield here
        return
    with tempfile.TemporaryDirectory(prefix="multicsr-input-") as folder:
        path = _copied(reference, Path(folder))
        try:
            yield path
        except PipelineError as error:
            said = error.cause.replace(path.as_posix(), told(reference))
            error.args = (f"{said}\n  remedy: {error.remedy}",)
            error.cause = said
            raise


def _copied(address: str, folder: Path) -> Path:
    system, source = opened(address)
    target = folder / _safe(PurePosixPath(source).name, address)
    try:
        found = system.info(source)
        if found["type"] == "directory":
            files = system.find(source, detail=True)
        else:
            files = {source: found}
        _require_room(address, files, folder)
        for name, entry in files.items():
            inner = PurePosixPath(name).relative_to(source)
            place = target.joinpath(*(_safe(part, address) for part in inner.parts))
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(system, name, place, size=int(entry["size"]), address=address)
    except PipelineError:
        raise
    except Exception as error:
        raise unreachable(address, error) from error
    return target


def _copy(system: Any, name: str, place: Path, *, size: int, address: str) -> None:
    left = size
    with system.open(name, "rb") as stream, place.open("wb") as file:
        while left >= 0 and (chunk := stream.read(CHUNK_BYTES)):
            left -= len(chunk)
            file.write(chunk)
    if left:
        raise PipelineError(
            f"{told(address)} is not as long as was said: it changed while it was read.",
            remedy="run again when nobody writes to it.",
        )


def _require_room(address: str, files: dict[str, Any], folder: Path) -> None:
    if len(files) > MOST_FILES:
        raise PipelineError(
            f"{told(address)} holds {len(files):,} files, more than {MOST_FILES:,}.",
            remedy="name the folder itself, not one far above it.",
        )
    size = sum(int(entry["size"] or 0) for entry in files.values())
    room = shutil.disk_usage(folder).free - ROOM_LEFT
    if size > room:
        raise PipelineError(
            f"{told(address)} has {size:,} bytes, and {folder.parent} has room for {room:,}.",
            remedy="free some space, or name a greater folder in the environment variable TMPDIR.",
        )


def _safe(name: str, address: str) -> str:
    if name in {"", ".", ".."} or "\0" in name or "/" in name:
        raise PipelineError(
            f"{told(address)} holds a name that no file here can have: {name!r:.80}.",
            remedy="name a file or folder below the bucket, and rename what is in it.",
        )
    return name
