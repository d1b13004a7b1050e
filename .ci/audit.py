"""Dependency audit: exact pins, a consistent environment, and no known vulnerability.

Asks OSV's public database about every pin of requirements.lock in one request. Where it does not
answer, that is said in one line and nothing fails; the other checks need no network.

`python .ci/audit.py` ends with 0 when all is well, 1 when something is to be mended. What
is known and does not matter here is accepted in .ci/audit-accepted.txt: its id, then why.
"""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATABASE = "https://api.osv.dev/v1/querybatch"
SECONDS_TO_ANSWER = 6.0
MOST_BYTES = 8 * 1024**2
PIN = re.compile(r"([A-Za-z0-9][\w.-]*)==([\w.!+-]+)")


def pins(lock: str) -> tuple[dict[str, str], list[str]]:
    """Return version by package, and the lines that pin nothing exactly."""
    lines = [line.strip() for line in lock.splitlines() if line.strip() and line[0] != "#"]
    found = {line: PIN.fullmatch(line) for line in lines}
    loose = [line for line, pin in found.items() if pin is None]
    return {pin[1]: pin[2] for pin in found.values() if pin is not None}, loose


def unlike(pinned: Mapping[str, str]) -> list[str]:
    """Return the packages that are installed in another version than the pinned one."""
    installed = {one.name.lower(): one.version for one in metadata.distributions() if one.name}
    return [
        f"{name} {installed[name.lower()]} is installed, {version} is pinned"
        for name, version in pinned.items()
        if installed.get(name.lower(), version).partition("+")[0] != version
    ]


def vulnerabilities(pinned: Mapping[str, str], *, database: str = DATABASE) -> dict[str, list[str]]:
    """Return the ids of known vulnerabilities by package; empty lists are left out.

    Raises:
        OSError: When the database does not answer.
        ValueError: When its answer cannot be read.
    """
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in pinned.items()
    ]
    request = urllib.request.Request(  # noqa: S310  (a fixed https address)
        database,
        data=json.dumps({"queries": queries}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS_TO_ANSWER) as reply:  # noqa: S310
        results = json.loads(reply.read(MOST_BYTES))["results"]
    if len(results) != len(queries):
        message = f"{len(results)} answers to {len(queries)} questions"
        raise ValueError(message)
    told = zip(pinned, results, strict=True)
    ids = {name: [one["id"] for one in result.get("vulns") or []] for name, result in told}
    return {name: found for name, found in ids.items() if found}


def accepted(text: str) -> set[str]:
    """Return the ids that are accepted; each stands first in its line, its reason behind it."""
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    return {words[0] for words in lines if len(words) > 1 and words[0] != "#"}


def audit(lock: Path, exceptions: Path, *, database: str = DATABASE) -> tuple[list[str], str]:
    """Return what is to be mended, and a line on how far the audit went."""
    pinned, loose = pins(lock.read_text(encoding="utf-8"))
    faults = [f"{line}: not an exact pin" for line in loose] + unlike(pinned)
    try:
        known = vulnerabilities(pinned, database=database)
    except (OSError, urllib.error.URLError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:120]
        return faults, f"{len(pinned)} pins; no vulnerability database answered ({reason})"
    excused = accepted(exceptions.read_text(encoding="utf-8")) if exceptions.is_file() else set()
    faults += [
        f"{name} {pinned[name]}: {', '.join(left)}"
        for name, found in known.items()
        if (left := [one for one in found if one not in excused])
    ]
    return faults, f"{len(pinned)} pins; {len(known)} with known vulnerabilities"


def main() -> int:
    """Print the findings; return the exit code."""
    check = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    checked = subprocess.run(check, capture_output=True, text=True, check=False)  # noqa: S603
    faults = checked.stdout.strip().splitlines() if checked.returncode else []
    found, line = audit(ROOT / "requirements.lock", ROOT / ".ci/audit-accepted.txt")
    for fault in [*faults, *found]:
        print(f"audit: {fault}")  # noqa: T201
    print(f"audit: {line}; {len(faults) + len(found)} to be mended")  # noqa: T201
    return 1 if faults or found else 0


if __name__ == "__main__":
    sys.exit(main())
