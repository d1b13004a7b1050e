"""Is there room? Asked before long work begins and again while it is written."""

import shutil
from pathlib import Path

from stages.errors import PipelineError

SPARE = 1.1
"""Asked for is a tenth more than estimated: file systems keep books, too."""
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")


def require_space(place: Path, size: float, *, purpose: str) -> None:
    """Check that ``size`` more bytes fit where ``place`` is or will be.

    Raises:
        PipelineError: When they do not; it names need, have and place.
    """
    need = size * SPARE
    folder = _existing(place)
    have = shutil.disk_usage(folder).free
    if have < need:
        raise PipelineError(
            f"the disk is too small for {purpose}: about {told(need)} are needed in {place}, "
            f"{told(have)} are free.",
            remedy="free some space there (`multicsr work list` shows what earlier work takes) or "
            "name a folder on another disk; what is finished is kept.",
        )


def require_space_for_output(
    work: Path, output: Path, size: float, *, whole: float, purpose: str
) -> None:
    """Check that ``size`` more bytes of work fit, and the ``whole`` that is made of it elsewhere.

    Raises:
        PipelineError: When they do not.
    """
    if _device(work) == _device(output):
        require_space(work, size + whole, purpose=f"{purpose} and their table")
    else:
        require_space(work, size, purpose=purpose)
        require_space(output, whole, purpose=f"the table of {purpose}")


def told(size: float) -> str:
    """Say a number of bytes in the unit a person would use.

    >>> told(512), told(1536), told(3 * 2**30)
    ('512 bytes', '1.5 KiB', '3.0 GiB')
    """
    power = 0
    while size >= 1024 and power < len(UNITS) - 1:
        size /= 1024
        power += 1
    return f"{size:.1f} {UNITS[power]}" if power else f"{size:.0f} {UNITS[0]}"


def _existing(place: Path) -> Path:
    place = place.absolute()
    return next(folder for folder in (place, *place.parents) if folder.is_dir())


def _device(place: Path) -> int:
    return _existing(place).stat().st_dev
