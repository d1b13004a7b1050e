"""Checks of the place multicsr runs in: each says what it found and what to do about it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from cli import machine
from cli.profiles import committed
from cli.wording import gibibytes
from stages.errors import PipelineError

Level = Literal["ok", "warn", "fail"]
GIB = 2**30
MODELS = ("llm", "base", "guide", "nli")
DVC_SECONDS = 60


@dataclass(frozen=True)
class Finding:
    """What one check found."""

    level: Level
    subject: str
    found: str
    remedy: str = ""


def examine(folder: Path) -> Iterator[Finding]:
    """Yield the findings on machine, installation and the project in ``folder``, one by one."""
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _packages,
        _processor,
        _arithmetic,
        _memory,
        _disk,
        _work,
        _params,
        _models,
        _encoder,
        _dvc,
    )
    for check in checks:
        yield from check(folder)


def _packages(folder: Path) -> Iterator[Finding]:
    python = ".".join(str(part) for part in sys.version_info[:3])
    named = ", ".join(f"{name} {number}" for name, number in machine.versions().items())
    if faults := _broken_requirements(folder):
        remedy = "install what pyproject.toml asks for: `make test` does, or `pip install -e .`."
        yield Finding("fail", "packages", "; ".join(faults), remedy)
    else:
        yield Finding("ok", "packages", f"Python {python}, {named}")


def _broken_requirements(folder: Path) -> list[str]:
    from packaging.requirements import Requirement

    faults = []
    for requirement in map(Requirement, _requirements(folder)):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        installed = machine.package_version(requirement.name)
        if installed is None:
            faults.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(installed, prereleases=True):
            faults.append(f"{requirement.name} {installed} is not {requirement.specifier}")
    return faults


def _requirements(folder: Path) -> list[str]:
    import tomllib

    try:
        return metadata.requires("multicsr") or []
    except metadata.PackageNotFoundError:
        pass
    try:
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
        return list(project["project"]["dependencies"])
    except (OSError, ValueError, KeyError):
        return []


def _processor(folder: Path) -> Iterator[Finding]:  # noqa: ARG001
    found = f"{machine.processor_name()}, {machine.core_count()} cores"
    yield Finding("ok", "processor", found)


def _arithmetic(folder: Path) -> Iterator[Finding]:  # noqa: ARG001
    try:
        from stages.engines.hardware import device, has_bfloat16
    except (ImportError, OSError) as error:
        yield Finding("fail", "torch", f"cannot be loaded: {error}", "install torch again.")
        return
    if has_bfloat16():
        yield Finding("ok", "arithmetic", f"bfloat16 in hardware, on {device()}")
    else:
        remedy = "nothing to mend: dtype auto takes float32 here; expect Stage 1 to take longer."
        yield Finding("warn", "arithmetic", f"no bfloat16 in hardware, on {device()}", remedy)


def _memory(folder: Path) -> Iterator[Finding]:  # noqa: ARG001
    free = machine.available_memory()
    found = f"{gibibytes(free)} free of {gibibytes(machine.total_memory())}"
    if free < 4 * GIB:
        remedy = "close other programs, or lower the batch sizes in params.yaml."
        yield Finding("fail" if free < GIB else "warn", "memory", found, remedy)
    else:
        yield Finding("ok", "memory", found)


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    if free < 5 * GIB:
        remedy = "free some space; `dvc gc --workspace` drops artefacts no longer referred to."
        level: Level = "fail" if free < GIB else "warn"
        yield Finding(level, "disk", f"{gibibytes(free)} free", remedy)
    else:
        yield Finding("ok", "disk", f"{gibibytes(free)} free")


def _work(folder: Path) -> Iterator[Finding]:
    size = _size(folder / ".work")
    found = f"{gibibytes(size)} of finished shards and checkpoints in .work"
    if size > 10 * GIB:
        remedy = "`multicsr work list` shows what it is; `multicsr work prune` removes it."
        yield Finding("warn", "work", found, remedy)
    else:
        yield Finding("ok", "work", found if size else "nothing in .work")


def _size(folder: Path) -> int:
    files = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return sum(file.lstat().st_size for file in files)


def _params(folder: Path) -> Iterator[Finding]:
    from stages.params_file import load_params

    path = folder / "params.yaml"
    try:
        profile = load_params(path).profile
    except PipelineError as error:
        yield Finding("fail", "params", error.cause, error.remedy)
        return
    match committed(path):
        case True:
            yield Finding("ok", "params", f"valid, profile {profile}, committed")
        case False:
            remedy = "see `git diff params.yaml`; commit it, so that results can be traced."
            yield Finding("warn", "params", f"valid, profile {profile}, not committed", remedy)
        case _:
            remedy = "keep the project in git, so that results can be traced."
            yield Finding("warn", "params", f"valid, profile {profile}; git cannot tell", remedy)


def _models(folder: Path) -> Iterator[Finding]:
    for name in MODELS:
        wanted, present = _wanted_model(folder, name), _present_model(folder / "models" / name)
        if name == "nli" and wanted is None:
            continue
        if present is None:
            yield Finding("warn", f"model {name}", "not here yet", "run `dvc repro fetch`.")
        elif wanted not in (None, present):
            found = f"{present}, but params.yaml names {wanted}"
            yield Finding("warn", f"model {name}", found, "run `dvc repro fetch`.")
        else:
            pinned = _pinned(folder / "models" / name)
            yield Finding("ok", f"model {name}", present + pinned)


def _wanted_model(folder: Path, name: str) -> str | None:
    from stages.params_file import load_params

    try:
        models = load_params(folder / "params.yaml").models
    except PipelineError:
        return None
    reference: str | None = getattr(models, name).reference
    return reference


def _present_model(folder: Path) -> str | None:
    reference = _source(folder).get("reference")
    return None if reference is None else str(reference)


def _pinned(folder: Path) -> str:
    """Say what the model was held against when it was fetched, and the digest of its files."""
    source = _source(folder)
    checked = f"; sha256 {str(source['sha256'])[:16]}... checked" if source.get("sha256") else ""
    _, mark, digest = str(source.get("identity", "")).rpartition("#")
    return f"{checked}; files {digest}" if mark else checked


def _source(folder: Path) -> dict[str, Any]:
    try:
        source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return source if isinstance(source, dict) else {}


def _encoder(folder: Path) -> Iterator[Finding]:
    if (folder / "models" / "encoder" / "modules.json").is_file():
        yield Finding("ok", "encoder", "trained, in models/encoder")
    else:
        yield Finding("warn", "encoder", "not trained yet", "run `dvc repro`.")


def _dvc(folder: Path) -> Iterator[Finding]:
    if not (folder / ".dvc").is_dir():
        remedy = "change to the project's folder (where dvc.yaml is)."
        yield Finding("fail", "dvc", "this folder is no DVC project", remedy)
        return
    try:
        changed = _changed_stages(folder)
    except subprocess.TimeoutExpired:
        found = f"`dvc status` took over {DVC_SECONDS} s"
        yield Finding("warn", "dvc", found, "run it yourself; it hashes what is new.")
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or str(error)
        last = said.strip().splitlines()[-1]
        yield Finding("fail", "dvc", f"`dvc status` failed: {last}", "mend what it names.")
    else:
        yield _dvc_finding(changed)


def _dvc_finding(changed: list[str]) -> Finding:
    if not changed:
        return Finding("ok", "dvc", "every artefact is up to date")
    found = f"{len(changed)} stages to run: {', '.join(changed)}"
    return Finding("warn", "dvc", found, "run `dvc repro`.")


def _changed_stages(folder: Path) -> list[str]:
    answer = subprocess.run(
        [sys.executable, "-m", "dvc", "status", "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=DVC_SECONDS,
        check=True,
        env={**os.environ, "DVC_NO_ANALYTICS": "1"},
    )
    return list(json.loads(answer.stdout or "{}"))
