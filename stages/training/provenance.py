"""Where an encoder comes from: the revision of the project, and what earlier stages counted."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

GIT_SECONDS = 20
LOCK = "dvc.lock"


def git_revision(folder: Path) -> str:
    """Return the commit of the working tree around ``folder``; says so where there is none."""
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return "none (no Git repository)"
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return f"{commit}, with uncommitted changes" if changed else commit


def lock_digest(folder: Path) -> str:
    """Return the beginning of the sha256 of dvc.lock as it is now; says so where there is none."""
    try:
        return "sha256 " + hashlib.sha256((folder / LOCK).read_bytes()).hexdigest()[:16]
    except OSError:
        return f"none (no {LOCK} when training began)"


def read_if_there(path: Path) -> dict[str, Any]:
    """Return the JSON object in ``path``, an empty one where there is none to read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        done = subprocess.run(  # noqa: S603 (fixed words; the folder is an argument of its own)
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=GIT_SECONDS,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
