"""What identifies a file or a folder: its bytes, and nothing of where or when it was written."""

import hashlib
from collections.abc import Container
from pathlib import Path


def path_digest(path: Path, *, without: Container[str] = ()) -> bytes:
    """Return the SHA-256 of a file's bytes, or of all files of a folder with their names.

    Args:
        path: A file or a folder; what does not exist counts as an empty folder.
        without: Names of files that do not count.
    """
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").digest()
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        if file.name not in without:
            digest.update(file.relative_to(path).as_posix().encode() + b"\0" + path_digest(file))
    return digest.digest()
