"""Finished shards to a store and back, so that work begun on one machine goes on on another.

A work folder itself stays on a file system: runners share it by locks and by renaming, and object
stores have neither. A finished shard never changes and its name covers all that shaped it, so a
copy is right wherever it came from, and nothing that is there is ever written over. What comes
back is checked by its seal when it is used, as every shard is.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import PipelineError
from stages.progress import Progress, silent
from stages.storage.addresses import SERVICES, opened, told, unreachable
from stages.tables.replacing import replacing

CARRIED = re.compile(r"(?:generate|score)/[0-9a-f]{16}/(?:shard-\d{6,9}\.parquet|plan\.json)")
"""Below the work folder. Not what servers were asked, which holds the texts of all requests."""
LARGEST_SHARD = 1 << 30
CHUNK_BYTES = 1 << 22


@dataclass(frozen=True)
class Carried:
    """What came of it: files copied, and files that were there."""

    copied: int
    there: int


def push(work: Path, address: str, *, progress: Progress = silent) -> Carried:
    """Copy finished shards of ``work`` that are not at ``address`` yet.

    Raises:
        PipelineError: When it cannot be reached or written; what was copied stays.
    """
    names = sorted(_carried_here(work))
    if not names:
        raise PipelineError(
            f"{work} holds no finished shards.",
            remedy="run generate or score first, or name another folder with --work.",
        )
    system, root = opened(address)
    whole = SERVICES[address.partition(":")[0]].whole_puts
    try:
        there = set(_carried_there(system, root))
        with progress("pushing shards", total=len(names), unit="files") as advance:
            for name in names:
                if name not in there:
                    _put(system, work / name, f"{root}/{name}", whole=whole)
                advance(1)
    except Exception as error:
        raise unreachable(address, error) from error
    return Carried(len(set(names) - there), len(set(names) & there))


def pull(address: str, work: Path, *, progress: Progress = silent) -> Carried:
    """Copy finished shards at ``address`` that are not in ``work`` yet.

    Raises:
        PipelineError: When it cannot be reached, holds none, or one is too large.
    """
    system, root = opened(address)
    try:
        sizes = _carried_there(system, root)
    except Exception as error:
        raise unreachable(address, error) from error
    if not sizes:
        raise PipelineError(
            f"{told(address)} holds no finished shards.",
            remedy="mend the address, or push some first: `multicsr work push`.",
        )
    missing = [name for name in sorted(sizes) if not (work / name).exists()]
    with progress("pulling shards", total=len(missing), unit="files") as advance:
        for name in missing:
            if sizes[name] > LARGEST_SHARD:
                raise PipelineError(
                    f"{told(address)}/{name} has {sizes[name]:,} bytes, which no shard has.",
                    remedy="remove it there.",
                )
            _get(system, f"{root}/{name}", work / name, address=address, size=sizes[name])
            advance(1)
    return Carried(len(missing), len(sizes) - len(missing))


def _carried_here(work: Path) -> Iterator[str]:
    for path in work.glob("*/*/*"):
        name = path.relative_to(work).as_posix()
        if CARRIED.fullmatch(name) and path.is_file() and not path.is_symlink():
            yield name


def _carried_there(system: Any, root: str) -> dict[str, int]:
    try:
        found = system.find(root, detail=True)
    except FileNotFoundError:
        return {}
    names = {path.removeprefix(root).lstrip("/"): entry["size"] for path, entry in found.items()}
    return {name: int(size) for name, size in names.items() if CARRIED.fullmatch(name)}


def _put(system: Any, file: Path, target: str, *, whole: bool) -> None:
    if whole:
        system.put_file(str(file), target)
        return
    system.makedirs(target.rpartition("/")[0], exist_ok=True)
    system.put_file(str(file), f"{target}.part")
    system.mv(f"{target}.part", target)


def _get(system: Any, source: str, place: Path, *, address: str, size: int) -> None:
    with replacing(place) as temporary:
        try:
            with system.open(source, "rb") as stream, temporary.open("wb") as file:
                while size >= 0 and (chunk := stream.read(CHUNK_BYTES)):
                    size -= len(chunk)
                    file.write(chunk)
        except Exception as error:
            raise unreachable(address, error) from error
