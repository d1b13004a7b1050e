"""What experiments left under reports/experiments/NAME/: claim, finding, table, plot.

The report shows what it can read and says of the rest why it cannot; a broken experiment never
keeps the page from being written.
"""

import base64
import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from stages.errors import first_line
from stages.tables.spreadsheets import text_of_cell

TABLE_ROWS = 60
CELL_CHARACTERS = 160
LARGEST_PLOT = 400_000
"""Bytes; with some twenty experiments the page stays far below its limit."""
LARGEST_TABLE = 1_000_000
TEXT_CHARACTERS = 20_000
LONG_DECIMAL = re.compile(r"-?[0-9]+\.[0-9]+")
DEVIATION = "_sd"
"""Ends the name of the column that holds the deviation of the column before."""
TABLE, PLOT = "table.tsv", "plot.svg"
SVG_ROOTS = {"svg", "{http://www.w3.org/2000/svg}svg"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table as text; ``left_out`` rows of it are not shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Of each column, whether it holds numbers, perhaps with a deviation behind them."""
        return tuple(
            any(row[place] for row in self.rows)
            and all(_is_number(row[place]) for row in self.rows if row[place])
            for place in range(len(self.columns))
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment.

    Args:
        name: Its folder.
        title: What it is about, in words.
        claim: What the paper says.
        finding: What was found here.
        facts: Scale, seeds, command and machine, by name, as far as they were written down.
        reference: Which table or figure of the paper it is.
        table: The figures, deviations beside their means.
        text: What people read where the result is no table of figures, such as case studies.
        plot: The drawing, as a ``data:`` address that runs nothing.
        faults: What could not be read, and why.
    """

    name: str
    title: str
    reference: str | None
    claim: str | None
    finding: str | None
    facts: tuple[tuple[str, str], ...]
    table: Table | None
    text: str | None
    plot: str | None
    faults: tuple[str, ...]


def read_experiments(folder: Path) -> tuple[Experiment, ...]:
    """Read every folder in ``folder`` by name; none when there is no such folder."""
    if not folder.is_dir():
        return ()
    places = [place for place in sorted(folder.iterdir()) if place.is_dir()]
    return tuple(read_experiment(place) for place in places if place.name[0] not in "._")


def read_experiment(folder: Path) -> Experiment:
    """Read what one experiment left; each fault is written down and nothing is raised."""
    faults: list[str] = []
    record = _record(folder / "record.json", faults)
    text = None if (folder / TABLE).is_file() else _text(folder / "table.md")
    return Experiment(
        name=folder.name,
        title=_words(record.get("title")) or folder.name,
        reference=_words(record.get("paper")),
        claim=_words(record.get("claim")),
        finding=_words(record.get("finding")),
        facts=tuple(
            (fact, words)
            for fact in ("scale", "seeds", "command", "machine", "date")
            if (words := _words(record.get(fact)))
        ),
        table=None if text else _table(folder / TABLE, faults),
        text=text,
        # Not every experiment has a plot.
        plot=_plot(folder / PLOT, faults) if (folder / PLOT).exists() else None,
        faults=tuple(faults),
    )


def _record(path: Path, faults: list[str]) -> Mapping[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        faults.append(_fault(path, error))
        return {}
    if isinstance(record, Mapping):
        return record
    faults.append(f"{path.name} holds no object.")
    return {}


def _words(value: Any) -> str | None:
    """Write what a record says in words: lists with commas, objects as `key value` pairs.

    >>> _words([1, 2]), _words({"cores": 2, "seed": None}), _words(""), _words(None)
    ('1, 2', 'cores 2', None, None)
    """
    match value:
        case None | "":
            return None
        case str():
            return value
        case Mapping():
            pairs = [(name, _words(inner)) for name, inner in value.items()]
            return ", ".join(f"{name} {words}" for name, words in pairs if words) or None
        case list():
            return ", ".join(filter(None, map(_words, value))) or None
    return json.dumps(value)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")[:TEXT_CHARACTERS].strip() or None
    except (OSError, ValueError):
        return None


def _table(path: Path, faults: list[str]) -> Table | None:
    try:
        if path.stat().st_size > LARGEST_TABLE:
            faults.append(f"{path.name} is too large to be shown here.")
            return None
        with path.open(encoding="utf-8", newline="") as file:
            lines = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, ValueError, csv.Error) as error:
        faults.append(_fault(path, error))
        return None
    head, *rows = [line for line in lines if any(line)] or [[]]
    if not head or not rows:
        faults.append(f"{path.name} holds no rows.")
        return None
    width = max(map(len, [head, *rows]))
    names = _fitted(head, width)
    return Table(
        columns=tuple(names[place] for place, _ in _with_deviations(names)),
        rows=tuple(_read(_fitted(row, width), names) for row in rows[:TABLE_ROWS]),
        left_out=max(0, len(rows) - TABLE_ROWS),
    )


def _with_deviations(names: Sequence[str]) -> Iterator[tuple[int, int | None]]:
    """Yield the place of each column and that of its deviation, if it has one."""
    for place, name in enumerate(names):
        if place and name == names[place - 1] + DEVIATION:
            continue
        follows = place + 1 < len(names) and names[place + 1] == name + DEVIATION
        yield place, place + 1 if follows else None


def _read(cells: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Write a row for people: numbers to two digits, deviations behind their means."""
    return tuple(
        _rounded(cells[place])
        + (f" \N{PLUS-MINUS SIGN} {_rounded(cells[sd])}" if sd and cells[sd] else "")
        for place, sd in _with_deviations(names)
    )


def _rounded(cell: str) -> str:
    """Cut a number that has more than two decimals.

    >>> _rounded("78.485912"), _rounded("0.004"), _rounded("12"), _rounded("a.1234")
    ('78.49', '0.004', '12', 'a.1234')
    """
    if len(cell.rpartition(".")[2]) < 3 or not LONG_DECIMAL.fullmatch(cell):
        return cell
    value = float(cell)
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.2g}"


def _fitted(cells: list[str], width: int) -> tuple[str, ...]:
    return (*map(text_of_cell, cells), *[""] * (width - len(cells)))


def _plot(path: Path, faults: list[str]) -> str | None:
    """Return the drawing as the address of an image: there, no script of it runs or loads."""
    try:
        drawing = path.read_bytes()
        if len(drawing) > LARGEST_PLOT:
            faults.append(f"{path.name} is too large to be shown here.")
            return None
        root = ElementTree.fromstring(drawing)  # noqa: S314  its size is bounded
    except OSError as error:
        faults.append(_fault(path, error))
        return None
    except (ElementTree.ParseError, ValueError) as error:
        faults.append(f"{path.name} is no drawing: {error}.")
        return None
    if root.tag not in SVG_ROOTS:
        faults.append(f"{path.name} is no SVG.")
        return None
    return "data:image/svg+xml;base64," + base64.b64encode(drawing).decode("ascii")


def _fault(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"{path.name} is not there."
    reason = error.strerror if isinstance(error, OSError) else first_line(error)
    return f"{path.name} cannot be read: {reason}."


def _is_number(cell: str) -> bool:
    """Say whether a cell is a number, also with a deviation, thousands or a percent sign.

    >>> [_is_number(cell) for cell in ("78.49", "+1.4 ± 0.2", "12 %", "1,200", "base", "%", "x")]
    [True, True, True, True, False, False, False]
    """
    plain = cell.replace("\N{MINUS SIGN}", "-").replace("\N{PLUS-MINUS SIGN}", " ")
    words = plain.removesuffix("%").replace(",", "").split()
    try:
        return bool([float(word) for word in words])
    except ValueError:
        return False
