"""Profiles: complete sets of settings under profiles/, and how they differ from params.yaml."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from stages.errors import PipelineError, did_you_mean
from stages.params_file import load_params, read_yaml

ABSENT = "(not set)"


class Change(NamedTuple):
    """A setting that differs."""

    key: str
    old: str
    new: str


def profile_names(folder: Path) -> list[str]:
    """Return the names of the profiles in ``folder``."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def profile_path(name: str, folder: Path) -> Path:
    """Return the file of profile ``name``.

    Raises:
        PipelineError: When there is none.
    """
    names = profile_names(folder)
    if name not in names:
        raise PipelineError(
            f"there is no profile {name!r}{did_you_mean(name, names)}",
            remedy=f"choose one of {', '.join(names)}."
            if names
            else f"run from the project's folder: {folder} holds no profiles.",
        )
    return folder / f"{name}.yaml"


def flatten(values: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (full key, value) of every setting.

    >>> list(flatten({"train": {"tau": 0.05}, "profile": "starter"}))
    [('train.tau', 0.05), ('profile', 'starter')]
    """
    if not isinstance(values, Mapping):
        yield prefix, values
        return
    for name, value in values.items():
        yield from flatten(value, f"{prefix}.{name}" if prefix else str(name))


def spelled(value: object) -> str:
    """Write a value as params.yaml does.

    >>> spelled(None), spelled(True), spelled(0.5), spelled("few_shot"), spelled(["forward", "nli"])
    ('null', 'true', '0.5', 'few_shot', '[forward, nli]')
    """
    if isinstance(value, list):
        return f"[{', '.join(map(spelled, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def settings_in(path: Path) -> dict[str, str]:
    """Return every setting of ``path`` by full key, as it is there, right or wrong."""
    return {key: spelled(value) for key, value in flatten(read_yaml(path))}


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[Change]:
    """Return what differs, in the order of ``new``."""
    keys = [*new, *(key for key in old if key not in new)]
    pairs = (Change(key, old.get(key, ABSENT), new.get(key, ABSENT)) for key in keys)
    return [change for change in pairs if change.old != change.new]


def way_back(params: Path, folder: Path) -> str | None:
    """Return the command that brings today's ``params`` back, None when nothing keeps them."""
    held = settings_in(params)
    for name in profile_names(folder):
        if settings_in(folder / f"{name}.yaml") == held:
            return f"multicsr params switch {name}"
    return f"git checkout -- {params}" if committed(params) else None


def committed(path: Path) -> bool | None:
    """Say whether git has ``path`` as it is now; None where git cannot tell."""
    command = ["git", "status", "--porcelain", "--ignored", "--", path.name]
    try:
        answer = subprocess.run(  # noqa: S603
            command, cwd=path.parent, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return not answer.stdout.strip()


def switch(params: Path, profile: Path) -> None:
    """Make ``params`` a copy of ``profile``, comments included.

    Raises:
        PipelineError: When the profile itself is at fault or the file cannot be written.
    """
    from stages.tables.replacing import replacing

    load_params(profile)
    with replacing(params) as temporary:
        temporary.write_bytes(profile.read_bytes())
