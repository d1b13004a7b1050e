"""What a task is, as data: its kind, its files, and where the hub has them."""

from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError, did_you_mean

Kind = Literal["sts", "classification", "retrieval", "bitext"]
Files = Mapping[str, str | tuple[str, ...]]

OWN = "own"
"""The name that stands for the graded pairs lying in the benchmarks folder itself."""
OWN_FILE = "tasks.yaml"
METRICS: Mapping[str, str] = {
    "sts": "spearman",
    "classification": "accuracy",
    "retrieval": "ndcg@10",
    "bitext": "accuracy",
}
"""The main metric of each kind."""
ROLES: Mapping[str, tuple[frozenset[str], ...]] = {
    "sts": (frozenset({"pairs"}),),
    "classification": (
        frozenset({"sentences"}),
        frozenset({"train", "test"}),
        frozenset({"train", "dev", "test"}),
    ),
    "retrieval": (frozenset({"corpus", "queries", "qrels"}),),
    "bitext": (frozenset({"left", "right"}),),
}
"""The sets of files a task of each kind may have."""


class Declared(BaseModel):
    """Read from YAML: closed, and it never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hub(Declared):
    """A data set on the hub, at one commit for ever."""

    repository: str = Field(pattern=r"^[\w.-]+/[\w.-]+$")
    revision: str = Field(pattern=r"^[0-9a-f]{40}$")
    files: dict[str, str | tuple[str, ...]]
    """By role, as in the task; several files are read one after the other."""
    columns: dict[str, str] = {}
    """What the hub calls a column, by the name it has here, where the two differ."""


class Task(Declared):
    """One thing an encoder is measured on."""

    name: str
    group: str
    kind: Kind
    metric: str
    files: dict[str, str]
    """Paths by role, from the benchmarks folder."""
    hub: Hub | None = None
    folds: int | None = Field(default=None, ge=2)
    """Classification: folds of the cross-validation, where the data has no dev set."""
    inputs: Literal["sentence", "pair"] = "sentence"
    """Classification: whether a row is a sentence, or a pair seen as |u - v| and u * v."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        roles = set(self.files)
        if roles not in ROLES[self.kind]:
            allowed = " or ".join(", ".join(sorted(roles)) for roles in ROLES[self.kind])
            message = f"a task of kind {self.kind} has the files {allowed}"
            raise ValueError(message)
        if self.metric != METRICS[self.kind]:
            message = f"the metric of kind {self.kind} is {METRICS[self.kind]}"
            raise ValueError(message)
        if self.kind == "classification" and ("dev" in roles) == (self.folds is not None):
            message = "classification needs either a dev file or folds"
            raise ValueError(message)
        if self.hub is not None and set(self.hub.files) != roles:
            message = "hub.files must name the same roles as files"
            raise ValueError(message)
        return self


class Group(Declared):
    """One YAML file: tasks of a kind under the name they are asked for by."""

    group: str
    kind: Kind
    discover: str | None = None
    """Glob below the benchmarks folder: what it finds belongs to the group without being named."""
    tasks: dict[str, dict[str, Any]] = {}

    @model_validator(mode="after")
    def _can_discover(self) -> Self:
        if self.discover is not None and self.kind not in {"sts", "retrieval"}:
            message = f"files of kind {self.kind} cannot be discovered, only named"
            raise ValueError(message)
        return self


def known_tasks(folder: Path) -> list[Task]:
    """Return all tasks: those declared here, those ``folder`` declares, those found in ``folder``.

    Args:
        folder: The benchmarks folder.

    Raises:
        PipelineError: When the folder's tasks.yaml is faulty, or a name stands for two tasks.
    """
    groups = [_read_group(text, name) for name, text in sorted(_declared_here())]
    groups.sort(key=lambda group: list(METRICS).index(group.kind))
    own = folder / OWN_FILE
    if own.is_file():
        groups.append(_read_group(_text(own), str(own)))
    tasks = [task for group in groups for task in _tasks(group, place=group.group)]
    tasks += [task for group in groups for task in _discovered(group, folder, known=_paths(tasks))]
    tasks += _own_pairs(folder)
    names = [task.name for task in tasks if task.group != OWN]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PipelineError(
            f"two tasks are called {twice[0]!r}.",
            remedy=f"give one of them another name, in {own} or as a file.",
        )
    return tasks


def chosen_tasks(folder: Path, names: Sequence[str]) -> list[Task]:
    """Return the tasks that ``names`` (groups or tasks) stand for, each once, in order.

    Raises:
        PipelineError: When a name stands for nothing; near names are proposed.
    """
    tasks = known_tasks(folder)
    chosen: dict[str, Task] = {}
    for name in names:
        wanted = [task for task in tasks if name in (task.group, task.name)]
        if not wanted and name != OWN:
            known = [*dict.fromkeys(task.group for task in tasks), *(task.name for task in tasks)]
            raise PipelineError(
                f"there is no task or group of tasks {name!r}{did_you_mean(name, known)}",
                remedy=f"choose of: {', '.join(dict.fromkeys(known))}.",
            )
        for task in wanted:
            chosen.setdefault(task.name, task)
    return list(chosen.values())


def _declared_here() -> Iterable[tuple[str, str]]:
    for file in resources.files("stages.evaluation.tasks").iterdir():
        if file.name.endswith(".yaml"):
            yield file.name, file.read_text(encoding="utf-8")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} cannot be read: {error}", remedy="mend the file.") from error


def _read_group(text: str, place: str) -> Group:
    try:
        return Group.model_validate(load_yaml(text))
    except YAMLError as error:
        raise PipelineError(f"{place} is not YAML: {error}", remedy="mend the file.") from error
    except ValidationError as error:
        raise _fault(place, error) from error


def _tasks(group: Group, *, place: str) -> list[Task]:
    try:
        return [
            Task.model_validate(
                {"metric": METRICS[group.kind]}
                | declared
                | {"name": name, "group": group.group, "kind": group.kind}
            )
            for name, declared in group.tasks.items()
        ]
    except ValidationError as error:
        raise _fault(place, error) from error


def _fault(place: str, error: ValidationError) -> PipelineError:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"]) or "a task"
    return PipelineError(
        f"{place} does not declare tasks as it should: {key}: {first['msg']}.",
        remedy="mend it; stages/evaluation/tasks/ holds examples.",
    )


def _paths(tasks: Iterable[Task]) -> set[str]:
    return {path for task in tasks for path in task.files.values()}


def _discovered(group: Group, folder: Path, *, known: set[str]) -> list[Task]:
    if group.discover is None:
        return []
    found = [path for path in sorted(folder.glob(group.discover)) if path.name[0] != "."]
    return [
        _discovered_task(group, path.relative_to(folder))
        for path in found
        if path.relative_to(folder).as_posix() not in known
    ]


def _discovered_task(group: Group, path: Path) -> Task:
    if group.kind == "retrieval":
        inner = {"queries": "queries.jsonl", "qrels": "qrels/test.tsv"}
        files = {role: (path.parent / name).as_posix() for role, name in inner.items()}
        files["corpus"] = path.as_posix()
        return _plain(path.parent.name, group.group, kind=group.kind, files=files)
    return _plain(path.stem, group.group, kind=group.kind, files={"pairs": path.as_posix()})


def _own_pairs(folder: Path) -> list[Task]:
    """Return every file of graded pairs that lies in ``folder`` itself, by its name."""
    files = [
        file
        for file in sorted(folder.glob("*"))
        if file.suffix in {".tsv", ".parquet"} and not file.name.startswith(".")
    ]
    return [_plain(file.stem, OWN, kind="sts", files={"pairs": file.name}) for file in files]


def _plain(name: str, group: str, *, kind: Kind, files: dict[str, str]) -> Task:
    return Task(name=name, group=group, kind=kind, metric=METRICS[kind], files=files)
