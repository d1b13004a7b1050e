"""Under which licence a model may be used, as far as its files say."""

import email.parser
import re
from dataclasses import dataclass
from pathlib import Path

from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError
from stages.model_files.archives import opened_archive, read_member

CARD = "README.md"
FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)
READ = 64 * 1024
"""Characters of a card, a licence or METADATA that are looked at."""
UNSAID = {"", "UNKNOWN", "NONE"}


@dataclass(frozen=True)
class Licence:
    """What is said, and where: both are None when nothing is."""

    name: str | None = None
    source: str | None = None


def find_licence(folder: Path, wheel: Path | None = None) -> Licence:
    """Return the licence that the model's own card names, else its LICENSE, else its wheel.

    A wheel's licence may be that of the packaging only, so it comes last.

    Args:
        folder: Folder of the model.
        wheel: The wheel it came in, if it came in one.
    """
    if name := _from_card(folder / CARD):
        return Licence(name, f"the model's {CARD}")
    for file in sorted(folder.glob("LICEN[SC]E*")):
        if name := _first_line(file):
            return Licence(name, f"the model's {file.name}")
    if wheel is not None and (name := _from_metadata(wheel)):
        return Licence(name, f"METADATA of {wheel.name}")
    return Licence()


def _from_card(card: Path) -> str | None:
    try:
        matter = FRONT_MATTER.match(_beginning(card))
        values = load_yaml(matter.group(1)) if matter else {}
    except (OSError, ValueError, RecursionError, YAMLError):
        return None
    name = values.get("license") if isinstance(values, dict) else None
    name = values.get("license_name", name) if name == "other" else name
    return _said(name)


def _first_line(file: Path) -> str | None:
    try:
        lines = _beginning(file).splitlines()
    except OSError:
        return None
    return _said(next((line.strip() for line in lines if line.strip()), None))


def _from_metadata(wheel: Path) -> str | None:
    try:
        with opened_archive(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            text = read_member(archive, name, most=READ).decode("utf-8", errors="replace")
    except (OSError, StopIteration, PipelineError):
        return None
    headers = email.parser.Parser().parsestr(text, headersonly=True)
    said = headers.get("License-Expression") or headers.get("License") or ""
    return _said(said.strip().split("\n", maxsplit=1)[0])


def _beginning(file: Path) -> str:
    with file.open(encoding="utf-8", errors="replace") as opened:
        return opened.read(READ)


def _said(name: object) -> str | None:
    # Only a text is quoted: a structure could be built to have no end.
    text = " ".join(name.split())[:80] if isinstance(name, str) else ""
    return None if text.upper() in UNSAID else text
