"""What identifies files, tables, code and settings: their content, and nothing of where or when."""

import hashlib
import json
from collections.abc import Container, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import polars as pl

from stages.tables.rows import Rows, RowsInMemory

NOT_THE_MODEL = frozenset({"README.md", "source.json"})
"""Files of a model's folder that say where it came from and shape no answer."""
LIBRARIES = ("torch", "transformers", "tokenizers", "sentence-transformers")
"""Whose versions shape what a model that runs here answers."""


def fingerprint(facts: Mapping[str, object], table: pl.DataFrame | Rows | None = None) -> str:
    """Return 16 hexadecimal digits that change with ``facts`` (JSON values) and the rows.

    Names, values and the order of rows count, the order of ``facts`` does not, nor does it whether
    the rows are in memory or in a file.
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode())
    if table is not None:
        of_rows = table.digest if isinstance(table, Rows) else rows_digest(table)
        digest.update(of_rows.encode())
    return digest.hexdigest()[:16]


def rows_digest(table: pl.DataFrame) -> str:
    """Return the SHA-256 of the rows of ``table`` in their order, with the names of the columns."""
    return RowsInMemory(table).digest


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


def model_digest(folder: Path) -> str:
    """Return the SHA-256 of what makes up a model: weights, tokenizer and configuration."""
    return path_digest(folder, without=NOT_THE_MODEL).hex()


def source_digest(*modules: str) -> str:
    """Return a hash of the source code of ``modules`` (dotted names): code that shapes answers."""
    digest = hashlib.sha256()
    for module in sorted(modules):
        spec = find_spec(module)
        if spec is None or spec.origin is None:
            message = f"no module {module}"
            raise ValueError(message)
        digest.update(Path(spec.origin).read_bytes())
    return digest.hexdigest()


def package_digest() -> str:
    """Return a hash of all code and texts of ``stages``: equal in processes that work alike."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(file for kind in ("*.py", "*.yaml") for file in root.rglob(kind)):
        digest.update(file.relative_to(root).as_posix().encode() + b"\0" + path_digest(file))
    return digest.hexdigest()


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that compute models."""
    return {name: version(name) for name in LIBRARIES}
