"""`multicsr doctor`: is everything in place?"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import ERR, OUT
from cli.wording import printable

if TYPE_CHECKING:
    from cli.health import Finding

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    folder: Annotated[Path, typer.Option(metavar="FOLDER", help="The project's folder.")] = Path(),
    json_lines: Annotated[
        bool, typer.Option("--json", help="Write JSON lines, for pipes.")
    ] = False,
) -> None:
    """Look whether everything is in place, and how to mend the rest.

    Packages, arithmetic, memory, disk, settings, models and DVC's state. Ends
    with exit code 1 when something is broken; warnings do not count.

    [bold]Examples[/]

      multicsr doctor
      multicsr doctor --json | jq 'select(.level != "ok")'
    """
    from cli.health import examine

    with ERR.status("looking around ...", spinner="dots"):
        findings = list(examine(folder))
    for finding in findings:
        if json_lines:
            sys.stdout.write(json.dumps(asdict(finding), ensure_ascii=False) + "\n")
        else:
            _print(finding)
    if any(finding.level == "fail" for finding in findings):
        raise typer.Exit(1)


def _print(finding: "Finding") -> None:
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 2))
    line.add_column(width=4)
    line.add_column(width=11, style="bold")
    line.add_column(overflow="fold")
    text = Text("\n".join(printable(part) for part in finding.found.splitlines()))
    if finding.remedy:
        text.append(f"\nremedy: {finding.remedy}", STYLES[finding.level])
    line.add_row(Text(finding.level, STYLES[finding.level]), finding.subject, text)
    OUT.print(line)
