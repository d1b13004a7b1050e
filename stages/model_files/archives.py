"""Zip archives from strangers: looked through as a whole before the first byte is written."""

import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from stages.errors import PipelineError

LARGEST_MEMBER = 32 * 1024**3
LARGEST_ARCHIVE = 64 * 1024**3
"""Bytes of one unpacked file, and of all together."""
LARGEST_RATIO = 200
"""Unpacked over packed size; weights hardly compress, a bomb does."""
SMALL = 1_000_000
"""Bytes that any member may unpack to, however well it is packed."""
MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 8 * 1024**2
"""Bytes of the list of members, which is read into memory as a whole."""
LONGEST_NAME = 255
PIECE = 1024 * 1024
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
REMEDY = "do not use this archive."


@contextmanager
def opened_archive(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open ``file``, and turn every fault of its form into one error.

    Raises:
        PipelineError: When it is no zip archive, or is damaged.
    """
    try:
        with file.open("rb") as raw, zipfile.ZipFile(cast(IO[bytes], _Frugal(raw))) as archive:
            _require_names(archive)
            yield archive
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, ValueError, OSError) as error:
        raise PipelineError(
            f"{file.name} is not a wheel: {error}", remedy="fetch it again."
        ) from error
    except (NotImplementedError, RuntimeError) as error:  # an unknown method, or a password
        raise PipelineError(f"{file.name} cannot be unpacked: {error}", remedy=REMEDY) from error


def _require_names(archive: zipfile.ZipFile) -> None:
    if not all(member.filename for member in archive.infolist()):
        message = "a member has no name"  # which zipfile itself stumbles over
        raise zipfile.BadZipFile(message)


def extract(
    archive: zipfile.ZipFile, members: Mapping[zipfile.ZipInfo, PurePosixPath], folder: Path
) -> None:
    """Write ``members`` below ``folder``, once all of them are known to be harmless.

    Raises:
        PipelineError: When a member is a link, a device or a pipe, leaves the folder, takes another
            one's place, unpacks to far more than its size, or cannot be written.
    """
    check_members(members)
    try:
        for member, target in members.items():
            place = folder / target
            place.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, place.open("xb") as sink:
                shutil.copyfileobj(source, sink, length=PIECE)
    except OSError as error:
        raise PipelineError(
            f"{folder} could not be filled from the archive: {error}.",
            remedy="free disk space or mend the permissions of the folder, then run again.",
        ) from error


def check_members(members: Mapping[zipfile.ZipInfo, PurePosixPath]) -> None:
    """Check ``members``, each with the place it goes to.

    Raises:
        PipelineError: As :func:`extract`, for everything but writing.
    """
    if len(members) > MOST_MEMBERS:
        raise PipelineError(
            f"the archive has {len(members):,} members, more than any model.", remedy=REMEDY
        )
    for member, target in members.items():
        if fault := _fault(member, target):
            raise PipelineError(f"the archive's member {member.filename!r} {fault}.", remedy=REMEDY)
    places: set[PurePosixPath] = set()
    for member, target in members.items():
        if target in places:
            raise PipelineError(
                f"the archive's member {member.filename!r} is there twice.", remedy=REMEDY
            )
        places.add(target)
    if nested := places & {parent for target in places for parent in target.parents}:
        raise PipelineError(
            f"the archive's member {str(min(nested))!r} is a file and a folder.", remedy=REMEDY
        )
    total = sum(member.file_size for member in members)
    if total > LARGEST_ARCHIVE:
        raise PipelineError(
            f"the archive unpacks to {total:,} bytes, more than any model.", remedy=REMEDY
        )


def read_member(archive: zipfile.ZipFile, name: str, *, most: int) -> bytes:
    """Return the first ``most`` bytes of the member ``name``, however large it is."""
    with archive.open(name) as source:
        return source.read(most)


def _fault(member: zipfile.ZipInfo, target: PurePosixPath) -> str | None:
    name = PurePosixPath(member.filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    leaves = name.is_absolute() or ".." in name.parts or "\\" in member.filename
    faults = {
        "leaves its folder": leaves or target.is_absolute() or ".." in target.parts,
        "is a link": kind == stat.S_IFLNK,
        "is a device, a pipe or a socket": kind not in (0, stat.S_IFREG, stat.S_IFLNK),
        "is packed by an unusual method": member.compress_type not in METHODS,
        "is encrypted": bool(member.flag_bits & 0x1),
        "has a name that is too long": any(len(p.encode()) > LONGEST_NAME for p in target.parts),
        "has a name that is not printable": not member.filename.isprintable(),
        "is larger than any model": member.file_size > LARGEST_MEMBER,
        "unpacks to far more than its size": member.file_size
        > LARGEST_RATIO * max(member.compress_size, 1) + SMALL,
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


class _Frugal:
    """Lets zipfile read ``file``, but never more at once than a list of members may take."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable
        self.close = file.close

    def read(self, size: int = -1) -> bytes:
        """Return what the file has.

        Raises:
            BadZipFile: When it is asked for too much.
        """
        most = LARGEST_DIRECTORY + 1
        found = self._file.read(most if size < 0 else min(size, most))
        if len(found) == most:
            message = f"its list of members takes more than {LARGEST_DIRECTORY:,} bytes"
            raise zipfile.BadZipFile(message)
        return found
