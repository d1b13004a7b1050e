"""`multicsr work`: what earlier runs left in the work folder, and its removal."""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.carry_commands import pull, push
from cli.console import OUT
from cli.options import PARAMS, ParamsFile, WorkFolder, work_folder
from cli.wording import printable
from stages.errors import PipelineError, did_you_mean

if TYPE_CHECKING:
    from stages.engines.inventory import Work

log = logging.getLogger(__name__)

PAID = "answers"
"""What servers were paid for: removed only where it is asked for by name."""
Stages = Annotated[
    list[str] | None,
    typer.Option("--stage", metavar="NAME", help="Only of this stage; may be repeated."),
]
EXAMPLES = """\
[bold]Examples[/]

  multicsr work list
  multicsr work prune --older-than 30
"""


@dataclass(frozen=True)
class Entry:
    """A piece of work, and by what today's project differs from the one it was made with."""

    work: "Work"
    difference: str | None

    @property
    def today(self) -> str:
        """Whether a run of today would go on with it."""
        return "yes" if self.difference is None else f"no: {self.difference}"


def build_app() -> typer.Typer:
    """Return the group `work` with its commands."""
    app = typer.Typer(name="work", rich_markup_mode="rich")
    app.callback(invoke_without_command=True, epilog=EXAMPLES)(_group)
    app.command("list")(list_work)
    app.command("prune")(prune)
    app.command("push")(push)
    app.command("pull")(pull)
    return app


def _group(context: typer.Context) -> None:
    """List, remove and carry what earlier runs left: shards, vectors, checkpoints."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def list_work(
    work: WorkFolder = None,
    stage: Stages = None,
    params: ParamsFile = PARAMS,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List unfinished and finished work that is kept, and what still uses it.

    The last column says whether a run with today's params.yaml, data, models
    and code would go on with it, or the first thing that differs.

    [bold]Examples[/]

      multicsr work list
      multicsr work list --stage vectors --json
    """
    folder = work_folder(work)
    entries = _entries(folder, params, stage)
    if as_json:
        for entry in entries:
            sys.stdout.write(json.dumps(_record(entry), ensure_ascii=False) + "\n")
        return
    if entries:
        _print(entries, folder)
    _say_sum(entries, folder)


def prune(
    work: WorkFolder = None,
    stage: Stages = None,
    older_than: Annotated[
        float | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Only if unchanged for so long."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what today's project would go on with.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    params: ParamsFile = PARAMS,
) -> None:
    """Remove work that today's project would not go on with; asks first.

    What a running process is at stays in any case, and what a server was paid
    for unless --stage answers names it.

    [bold]Examples[/]

      multicsr work prune --dry-run
      multicsr work prune --stage vectors --older-than 7
      multicsr work prune --all --yes
    """
    folder = work_folder(work)
    found = _entries(folder, params, stage)
    chosen = _chosen(found, older_than, everything=everything, paid=PAID in (stage or ()))
    if not chosen:
        log.info("work: nothing to remove in %s, of %s kept there", folder, len(found))
        return
    _print(chosen, folder)
    if dry_run:
        _say_sum(chosen, folder, would="would be removed (--dry-run)")
        return
    if not yes:
        _ask(chosen, folder)
    _remove(chosen, folder)


def _entries(folder: Path, params: Path, stages: Sequence[str] | None) -> list[Entry]:
    from stages.engines.inventory import Today, inventory

    found = inventory(folder)
    names = sorted({piece.stage for piece in found})
    for name in stages or ():
        if names and name not in names:
            raise PipelineError(
                f"no work of a stage {name!r} is kept in {folder}{did_you_mean(name, names)}",
                remedy=f"there is work of: {', '.join(names)}.",
            )
    today = Today(params.parent, _settings(params), partial(_surroundings, params))
    wanted = [piece for piece in found if not stages or piece.stage in stages]
    return [Entry(piece, today.difference(piece)) for piece in wanted]


def _settings(params: Path) -> dict[str, object]:
    from cli.profiles import flatten
    from stages.params_file import load_params

    return dict(flatten(load_params(params).model_dump(mode="json", by_alias=True)))


def _surroundings(params: Path) -> dict[str, object]:
    """Return what the engine of today computes with, as far as it can be said from here."""
    from stages.engines.digests import library_versions
    from stages.engines.hardware import hardware_here
    from stages.params_file import load_params

    engine = load_params(params).engine
    if engine.kind != "local":  # device and threads are a worker's
        return dict(library_versions())
    return hardware_here(threads=engine.cpus_per_worker).surroundings()


def _chosen(
    entries: Sequence[Entry], days: float | None, *, everything: bool, paid: bool
) -> list[Entry]:
    latest = datetime.now(tz=UTC) - timedelta(days=days or 0)
    return [
        entry
        for entry in entries
        if (everything or entry.difference is not None)
        and (paid or entry.work.stage != PAID)
        and (days is None or entry.work.changed <= latest)
        and not entry.work.in_use
    ]


def _ask(entries: Sequence[Entry], folder: Path) -> None:
    if not sys.stdin.isatty():
        raise PipelineError(
            f"nobody can be asked whether to remove {len(entries)} folders of {folder}.",
            remedy="add --yes to remove them, or --dry-run to see them.",
        )
    typer.confirm(f"Remove these {len(entries)}?", abort=True, err=True)


def _remove(entries: Sequence[Entry], folder: Path) -> None:
    from stages.engines.inventory import remove

    gone = []
    for entry in entries:
        if remove(entry.work):
            gone.append(entry)
        else:
            log.warning("%s is in use by now, and stays", entry.work.path)
    _say_sum(gone, folder, would="removed")


def _say_sum(entries: Sequence[Entry], folder: Path, would: str = "kept") -> None:
    from stages.engines.disk import told

    size = told(sum(entry.work.size for entry in entries))
    log.info("work: %s folders with %s %s in %s", len(entries), size, would, folder)


def _print(entries: Sequence[Entry], folder: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from stages.engines.disk import told

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("stage", no_wrap=True)
    table.add_column("folder", overflow="fold")
    table.add_column("made", overflow="fold")
    table.add_column("finished", justify="right", overflow="fold")
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("used today?", overflow="fold", ratio=1)
    for entry in entries:
        piece = entry.work
        made = piece.made.astimezone().strftime("%Y-%m-%d %H:%M")
        state = "in use now" if piece.in_use else entry.today
        name = piece.path.name if piece.path.parent != folder else str(piece.path)
        cells = (piece.stage, name, made, _finished(piece), told(piece.size), state)
        table.add_row(*map(printable, cells))
    OUT.print(table)


def _finished(piece: "Work") -> str:
    if piece.stage == PAID:
        return _answers(piece.path)
    if piece.rows is not None:
        done, planned = piece.rows
        text = f"{done:,} of {planned:,} rows"
    else:
        text = f"{piece.finished:,} files" if piece.finished else ""
    return f"{text}, {piece.set_aside} set aside" if piece.set_aside else text


def _answers(folder: Path) -> str:
    from stages.language_models.servers.kept import kept_in

    kept = kept_in(folder)
    return f"{kept.answers:,} answers" + (f" of {kept.model}" if kept.model else "")


def _record(entry: Entry) -> dict[str, object]:
    piece = entry.work
    return {
        "stage": piece.stage,
        "path": str(piece.path),
        "made": piece.made.isoformat(timespec="seconds"),
        "changed": piece.changed.isoformat(timespec="seconds"),
        "shards": {"finished": piece.finished, "planned": piece.shards},
        "rows": None
        if piece.rows is None
        else dict(zip(("finished", "planned"), piece.rows, strict=True)),
        "set_aside": piece.set_aside,
        "size_bytes": piece.size,
        "in_use": piece.in_use,
        "used_today": entry.difference is None,
        "difference": entry.difference,
    }
