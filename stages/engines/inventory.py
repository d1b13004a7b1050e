"""What lies in the folder of unfinished work: what each is for, and whether today would use it.

Two levels deep lies a piece of work each: ``<work>/<stage>/<fingerprint>/``; experiments keep
theirs one level deeper. What has no plan.json comes from an earlier version, or is nobody's.
"""

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stages.engines.digests import NOT_THE_MODEL, path_digest, source_digest
from stages.engines.folders import IN_USE, PLAN
from stages.engines.locks import is_held, lock
from stages.errors import PipelineError
from stages.tables.json_files import read_json

PLANNED = frozenset({"generate", "score", "vectors", "guide", "train"})
"""Stages whose folders have a plan.json since there are plans."""
EXPERIMENTS = "experiments"
GRAVE = ".removed-"
SHARDS = ("shard-*.parquet", "shard-*.npy", "*.safetensors", "blocks/*.safetensors")
ASIDE = ("*.damaged-*", "*.foreign-*", "blocks/*.damaged-*", "blocks/*.foreign-*")


@dataclass(frozen=True)
class Work:
    """One piece of work on the disk."""

    path: Path
    stage: str
    size: int
    """Bytes of all its files."""
    changed: datetime
    """When anything in it was last written."""
    in_use: bool
    """Whether a running process is at it."""
    finished: int
    """Files of finished shards or vectors."""
    set_aside: int
    """Files that could not be trusted, and were kept."""
    plan: Mapping[str, Any] = field(default_factory=dict)
    """What plan.json says; empty where there is none."""

    @property
    def made(self) -> datetime:
        """When it was begun; when it was last written where that is not told."""
        try:
            return datetime.fromisoformat(self.plan["made"])
        except (KeyError, TypeError, ValueError):
            return self.changed

    @property
    def shards(self) -> int | None:
        """Shards planned, None where nobody can tell beforehand."""
        planned = self.plan.get("shards")
        return planned if isinstance(planned, int) else None

    @property
    def rows(self) -> tuple[int, int] | None:
        """Rows finished and rows planned; None where nobody can tell."""
        rows, each = self.plan.get("rows"), self.plan.get("shard_rows")
        if not isinstance(rows, int) or not isinstance(each, int):
            return None
        return min(rows, self.finished * each), rows


def inventory(work: Path) -> list[Work]:
    """Return all that lies in the folder ``work``, stage by stage, the newest last."""
    found = [_described(path, stage) for path, stage in _pieces(work)]
    return sorted(found, key=lambda piece: (piece.stage, piece.made))


def remove(piece: Work) -> bool:
    """Remove a piece of work, unless a process is at it; say whether it is gone.

    It first gets another name: whoever comes meanwhile begins a folder of its own.
    """
    path = piece.path
    if not path.is_dir():
        path.unlink(missing_ok=True)
        return True
    with lock(path / IN_USE) as mine:
        if not mine or (piece.stage == EXPERIMENTS and _experiments_run(path)):
            return False
        grave = buried(path)
    shutil.rmtree(grave)
    return True


def buried(path: Path) -> Path:
    """Rename a folder to what only `multicsr work` knows, and return that: nobody goes on from it.

    Raises:
        OSError: When it cannot be renamed.
    """
    return path.rename(path.with_name(f"{GRAVE}{path.name}-{os.getpid()}"))


class Today:
    """The project as it is now, to hold work against.

    Args:
        root: Folder of the project.
        settings: Every setting in force by its full key, as JSON values.
        surroundings: See :func:`stages.engines.hardware.surroundings`; called when it matters.
    """

    def __init__(
        self,
        root: Path,
        settings: Mapping[str, object],
        surroundings: Callable[[], Mapping[str, object]],
    ) -> None:
        self._root = root
        self._settings = settings
        self._surroundings = surroundings
        self._digests: dict[str, str] = {}

    def difference(self, piece: Work) -> str | None:
        """Say by what today's project differs from the one that made ``piece``.

        Returns:
            None when a run of today would go on with it.
        """
        if piece.path.name.startswith(GRAVE):
            return "its removal was interrupted"
        if not piece.plan:
            return "made by an earlier version" if piece.stage in PLANNED else "not known"
        return next(self._differences(piece.plan), None)

    def _differences(self, plan: Mapping[str, Any]) -> Iterator[str]:
        """Yield what differs, what is quickly looked up first."""
        for key, value in plan.get("settings", {}).items():
            if key not in self._settings:
                yield f"{key} is no setting any more"
            elif self._settings[key] != value:
                yield f"{key} was {value}"
        code = plan.get("code", {})
        if not _is_todays_code(code):
            yield "the code has changed"
        where = plan.get("surroundings", {})
        if where:
            now = self._surroundings()
            yield from (
                f"{key} was {value}" for key, value in where.items() if now.get(key, value) != value
            )
        for name, digest in plan.get("files", {}).items():
            if not (self._root / name).exists():
                yield f"{name} is not here"
            elif self._digest(name) != digest:
                yield f"{name} has changed"

    def _digest(self, name: str) -> str:
        if name not in self._digests:
            digest = path_digest(self._root / name, without=NOT_THE_MODEL)
            self._digests[name] = digest.hex()
        return self._digests[name]


def _is_todays_code(code: Mapping[str, Any]) -> bool:
    try:
        return bool(source_digest(*code.get("modules", [])) == code.get("sha256"))
    except (ValueError, ModuleNotFoundError):
        return False


def _pieces(work: Path) -> Iterator[tuple[Path, str]]:
    for stage in _entries(work):
        if stage.name == EXPERIMENTS:
            for kind in _entries(stage):
                inner = _entries(kind) if kind.name == "inputs" else [kind]
                yield from ((path, EXPERIMENTS) for path in inner)
        elif stage.is_dir():
            yield from ((path, stage.name) for path in _entries(stage))
        else:
            yield stage, "-"


def _entries(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix not in {".lock", ".tmp"})


def _described(path: Path, stage: str) -> Work:
    files = [path, *path.rglob("*")] if path.is_dir() else [path]
    states = list(filter(None, map(_state, files)))
    busy = is_held(path / IN_USE) if path.is_dir() else False
    return Work(
        path=path,
        stage=stage,
        size=sum(state.st_size for file, state in states if not file.is_dir()),
        changed=_newest(state.st_mtime for _, state in states),
        in_use=busy or (stage == EXPERIMENTS and _experiments_run(path)),
        finished=_count(path, SHARDS),
        set_aside=_count(path, ASIDE),
        plan=_plan(path / PLAN),
    )


def _newest(times: Iterable[float]) -> datetime:
    return datetime.fromtimestamp(max(times, default=0.0), tz=UTC)


def _state(file: Path) -> tuple[Path, os.stat_result] | None:
    try:
        return file, file.lstat()
    except FileNotFoundError:  # a temporary file, gone meanwhile
        return None


def _count(path: Path, patterns: tuple[str, ...]) -> int:
    return sum(1 for _ in itertools.chain.from_iterable(map(path.glob, patterns)))


def _plan(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
    except PipelineError:
        return {}
    return found if isinstance(found, dict) else {}


def _experiments_run(path: Path) -> bool:
    """Say whether experiments are under way, whose logs and outputs lie beside their inputs."""
    root = next(folder for folder in (path, *path.parents) if folder.name == EXPERIMENTS)
    return any(is_held(other / IN_USE) for other in _entries(root / "inputs") if other != path)
