"""What runs left: DVC's experiments by name, and the figures in their files."""

import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stages.errors import PipelineError
from stages.experiments.definitions import Column

Figures = dict[str, float]
ReadBytes = Callable[[str], bytes]
"""Gives the content of a file of one run, by its path in the project; OSError where it is not."""


@dataclass(frozen=True)
class Kept:
    """An experiment that DVC keeps.

    Attributes:
        name: What it is called; its last part is the digest of its settings.
        commit: The commit that holds its params.yaml and dvc.lock.
        baseline: The commit it was run from.
    """

    name: str
    commit: str
    baseline: str


def kept_experiments(root: Path) -> list[Kept]:
    """Return all experiments in the project at ``root``, of whatever commit, the newest first.

    Raises:
        PipelineError: When it is no Git repository.
    """
    form = "--format=%(objectname) %(refname)"
    lines = git(root, "for-each-ref", "--sort=-committerdate", form, "refs/exps").splitlines()
    found = []
    for commit, ref in (line.split(" ", 1) for line in lines):
        # refs/exps/ab/cdef.../NAME; others below refs/exps are DVC's own.
        parts = ref.split("/")
        if len(parts) == 5 and len(parts[2] + parts[3]) == 40:
            found.append(Kept(parts[4], commit, parts[2] + parts[3]))
    return found


def git(root: Path, *arguments: str) -> str:
    """Return what Git answers.

    Raises:
        PipelineError: When it fails.
    """
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        raise PipelineError(
            f"git {arguments[0]} failed in {root.resolve()}: {said.strip()}",
            remedy="run from the project's folder; experiments are kept as Git references.",
        ) from error
    return done.stdout.strip()


def revision(root: Path) -> str:
    """Return the short hash of the commit, with a `+` where tracked files differ from it."""
    changed = git(root, "status", "--porcelain", "--untracked-files=no")
    return git(root, "rev-parse", "--short", "HEAD") + ("+" if changed else "")


@contextmanager
def files_of(root: Path, commit: str) -> Iterator[ReadBytes]:
    """Give a reader of the files of an experiment, from DVC's cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException

    files = DVCFileSystem(str(root), rev=commit)

    def read(path: str) -> bytes:
        try:
            content: bytes = files.read_bytes(path)
        except DvcException as error:  # such as a file that is gone from the cache
            raise FileNotFoundError(path) from error
        return content

    try:
        yield read
    finally:
        files.close()


def figures(columns: Iterable[Column], read: ReadBytes) -> tuple[Figures, Figures]:
    """Return the figures of a run by column, and those of the encoder it began with.

    Raises:
        PipelineError: When a file or a figure is missing.
    """
    held: dict[str, Any] = {}

    def number(place: str) -> float:
        file, _, pointer = place.partition("#")
        if file not in held:
            held[file] = _json(file, read)
        return _at(held[file], pointer.split("/"), place)

    columns = list(columns)
    own = {column.name: number(column.value) * column.factor for column in columns}
    base = {c.name: number(c.base) * c.factor for c in columns if c.base is not None}
    return own, base


def _json(file: str, read: ReadBytes) -> Any:
    try:
        return json.loads(read(file))
    except (OSError, ValueError) as error:
        raise PipelineError(
            f"the run has no readable {file}: {error}",
            remedy="run the experiment again; see its log for what went wrong.",
        ) from error


def _at(value: Any, way: Sequence[str], place: str) -> float:
    for step in way:
        if isinstance(value, Mapping) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            known = sorted(value) if isinstance(value, Mapping) else []
            raise PipelineError(
                f"{place}: there is no {step!r}"
                + (f" among {', '.join(known)}." if known else "."),
                remedy="mend the column of the definition, or have the run measure it.",
            )
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise PipelineError(
            f"{place} is {value!r}, not a number.", remedy="mend the column of the definition."
        )
    return float(value)
