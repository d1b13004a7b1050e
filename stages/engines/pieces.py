"""Pieces of long work as sealed files: read if whole, else set aside; written whole or not at all.

Nothing that was computed is deleted: what cannot be trusted keeps its bytes under a name that says
why, beside the piece that is made anew.
"""

import contextlib
import errno
import itertools
import logging
from pathlib import Path

from stages.engines.seals import Fault, fault_of, sealed
from stages.errors import PipelineError
from stages.tables.replacing import replacing

log = logging.getLogger(__name__)

SAID = {
    "damaged": "is not as it was written (torn, changed or unreadable)",
    "foreign": "is whole but a piece of other work",
}


def read_piece(path: Path, label: str, *, mine: bool) -> bytes | None:
    """Return the bytes of the piece at ``path``, None where there is none that can be trusted.

    Args:
        path: The file.
        label: What it must be, see :func:`stages.engines.seals.blank_seal`.
        mine: Whether its lock is held; only then is a faulty file set aside.

    Raises:
        PipelineError: When it may not be read.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno != errno.EIO:
            raise PipelineError(
                f"{path} cannot be read: {error}.", remedy="mend its permissions, then run again."
            ) from error
        data = b""
    fault = fault_of(data, label)
    if fault is None:
        return data
    if mine:
        set_aside(path, fault)
    return None


def set_aside(path: Path, fault: Fault) -> Path:
    """Rename the faulty file at ``path`` so that its name tells, and say so."""
    names = (path.with_name(f"{path.name}.{fault}-{n}") for n in itertools.count(1))
    target = next(name for name in names if not name.exists())
    with contextlib.suppress(FileNotFoundError):  # another process may have done it
        path.rename(target)
    log.warning("%s %s; it is kept as %s and made again", path, SAID[fault], target.name)
    return target


def write_piece(data: bytes, path: Path) -> None:
    """Seal ``data``, which holds a blank seal, and write it to ``path``, whole or not at all.

    Raises:
        PipelineError: When the operating system refuses the write.
    """
    with replacing(path) as temporary:
        temporary.write_bytes(sealed(data))
