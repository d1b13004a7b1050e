"""A folder of unfinished work: what it is for, and that nobody takes it away while it is used."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from stages.engines.digests import NOT_THE_MODEL, path_digest, source_digest
from stages.engines.locks import lock
from stages.errors import PipelineError
from stages.tables.json_files import write_json

PLAN = "plan.json"
IN_USE = "in-use.lock"
LONGEST_FACT = 1000
"""Characters of a fact in plan.json; longer ones are cut."""
MOST_FACTS = 32
PATIENCE = 5.0
"""Seconds that a removal of the folder, which takes a moment, is waited for."""


@dataclass(frozen=True, kw_only=True)
class MadeWith:
    """What a work folder was made with, so that it can be said whether today's project would.

    The folder's name covers all of this and more; this is for people and for `multicsr work`.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    """By full key."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Tables and models that were read: path and digest, see :func:`digests_of`."""
    code: Sequence[str] = ()
    """Modules, by dotted name."""
    surroundings: Mapping[str, object] = field(default_factory=dict)
    """Device, libraries and threads, as far as they matter."""

    def described(self) -> dict[str, object]:
        """Return it as JSON values, with digests."""
        return {
            "settings": dict(self.settings),
            "files": dict(self.files),
            "surroundings": dict(self.surroundings),
            "code": {"modules": sorted(self.code), "sha256": source_digest(*self.code)},
        }


@contextmanager
def used(folder: Path, *, stage: str, made_with: MadeWith, **facts: object) -> Iterator[None]:
    """Keep ``folder`` from being pruned while the block runs, and say in it what it is for.

    Args:
        folder: Where the work is kept; made where it is missing.
        stage: Whose work it is.
        made_with: What it was made with.
        facts: More for people to read, as JSON values.

    Raises:
        PipelineError: When it is being removed, or cannot be written.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        with lock(folder / IN_USE, shared=True) as ours:
            if ours:
                _describe(folder / PLAN, stage, made_with, facts)
                yield
                return
        if time.monotonic() > deadline:
            raise PipelineError(
                f"{folder} is being removed by another process.",
                remedy="run the command again when `multicsr work prune` has ended.",
            )
        time.sleep(0.05)


def digests_of(*paths: Path) -> dict[str, str]:
    """Return, by path, the SHA-256 of tables, and of what makes up models."""
    return {path.as_posix(): path_digest(path, without=NOT_THE_MODEL).hex() for path in paths}


def _describe(path: Path, stage: str, made_with: MadeWith, facts: Mapping[str, object]) -> None:
    if path.is_file():
        return
    made = datetime.now(tz=UTC).isoformat(timespec="seconds")
    head = {"stage": stage, "made": made, "multicsr": _version()}
    readable = {name: _cut(fact) for name, fact in facts.items()}
    write_json({**head, **readable, **made_with.described()}, path)


def _cut(fact: object) -> object:
    text = json.dumps(fact, ensure_ascii=False)
    if len(text) <= LONGEST_FACT:
        return fact
    if isinstance(fact, Mapping) and len(fact) <= MOST_FACTS:
        return {name: _cut(part) for name, part in fact.items()}
    return f"{text[:LONGEST_FACT]}..."


def _version() -> str:
    try:
        return version("multicsr")
    except PackageNotFoundError:
        return "not installed"
