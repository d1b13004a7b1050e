"""`multicsr experiments`: the paper's tables and figures, each a command."""

import logging
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import OUT, progress
from cli.options import PARAMS
from cli.wording import printable
from stages.errors import PipelineError

if TYPE_CHECKING:
    from stages.experiments.definitions import Definition
    from stages.experiments.planning import Choice, Run

log = logging.getLogger(__name__)

PROFILES, REPORTS = Path("profiles"), Path("reports/experiments")
Name = Annotated[
    str, typer.Argument(metavar="NAME", help="An experiment of the list, or a .yaml file.")
]
ScaleName = Annotated[
    str, typer.Option("--scale", metavar="NAME", help="`starter` on a laptop, `paper` on GPUs.")
]
EXAMPLES = """\
[bold]Examples[/]

  multicsr experiments list
  multicsr experiments run omega --data FOLDER --dry-run
  multicsr experiments run sts --data FOLDER --seeds 42,43,44
  multicsr experiments show sts
"""


def build_app() -> typer.Typer:
    """Return the group `experiments` with its commands."""
    app = typer.Typer(name="experiments", rich_markup_mode="rich")
    app.callback(invoke_without_command=True, epilog=EXAMPLES)(_group)
    app.command("list")(list_experiments)
    app.command("run")(run_experiment)
    app.command("show")(show_experiment)
    return app


def _group(context: typer.Context) -> None:
    """Run the paper's tables and figures, each with one command."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def list_experiments(scale: ScaleName = "starter") -> None:
    """List all experiments: what they are, how long they take, what is there.

    Minutes are those of an experiment that finds nothing done, on two cores;
    stages that several of them share run once.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from stages.experiments.definitions import catalogue

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("paper", no_wrap=True)
    table.add_column("about", overflow="fold")
    for title in ("runs", "minutes"):
        table.add_column(title, justify="right")
    table.add_column("state")
    for one in catalogue():
        size = one.scale(scale)
        minutes = "-" if size.minutes is None else str(size.minutes)
        runs = str(_count(one, scale))
        table.add_row(
            one.name, one.paper or "-", one.title, runs, minutes, _state(REPORTS / one.name)
        )
    OUT.print(table)


def _count(definition: "Definition", scale: str) -> int:
    from stages.experiments.planning import rows_of

    return len(list(rows_of(definition, scale))) * len(definition.scale(scale).seeds)


def _state(folder: Path) -> str:
    from stages.experiments.recording import DONE, FAILED, read_record

    record = read_record(folder)
    if record is None:
        return "not run"
    states = [run["state"] for run in record["runs"]]
    failed = f", {states.count(FAILED)} failed" if FAILED in states else ""
    return f"{states.count(DONE)} of {len(states)} runs ({record['scale']}){failed}"


def run_experiment(
    name: Name,
    scale: ScaleName = "starter",
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Real data: nli/, wiki/, sts/ and so on; see data/README.md.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="N,N,...", help="Mean and deviation over these.", show_default="the scale's"
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set-param",
            "-S",
            metavar="KEY=VALUE",
            help="Set this for all runs; may be repeated.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print the commands.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also make runs that are there.")] = False,
) -> None:
    """Make the runs of an experiment that are not there yet, and its table.

    Every run is a DVC experiment in a copy of the project: params.yaml and the
    results of `dvc repro` stay what they are, and `dvc exp show` lists it.
    Stopped, the same command goes on; a run that fails is noted and the others
    go on. reports/experiments/NAME gets table.md, table.tsv, plot.svg and
    record.json, after every run anew.

    [bold]Examples[/]

      multicsr experiments run omega --data FOLDER --dry-run
      multicsr experiments run sts --data FOLDER --seeds 42,43,44
      multicsr experiments run my-grid.yaml -S prepare.limit=200
    """
    from stages.engines.folders import MadeWith
    from stages.engines.folders import used as in_use
    from stages.experiments.definitions import find_definition
    from stages.experiments.inputs import inputs_folder, make_inputs
    from stages.experiments.planning import Choice
    from stages.experiments.running import settings_of

    root, work = Path(), Path(".work")
    definition = find_definition(name)
    folder = None if data is None else data.resolve()
    inputs = inputs_folder(work, definition.inputs, folder).resolve()
    choice = Choice(scale, _seeds(seeds), folder, inputs, _settings(settings or []))
    runs = _planned(definition, choice)
    current = settings_of(root / PARAMS)
    if dry_run:
        _print_commands(definition, runs, current)
        return
    _check_data(definition, choice)
    make_inputs(inputs, definition.inputs, folder)
    used = choice.seeds or definition.scale(scale).seeds
    command = _command(name, scale, choice, settings or [])
    facts = {"command": command, "scale": scale, "seeds": list(used), **_machine()}
    with in_use(inputs, stage="experiments", made_with=MadeWith(), command=command):
        _make(definition, runs, current, facts, again=again)


def _make(
    definition: "Definition",
    runs: "Sequence[Run]",
    current: Mapping[str, Any],
    facts: Mapping[str, Any],
    *,
    again: bool,
) -> None:
    from stages.experiments.recording import FAILED, read_record
    from stages.experiments.session import Session

    folder = REPORTS / definition.name
    session = Session(definition, Path(), folder, current, facts, progress)
    results = session.run_all(runs, again=again)
    record = read_record(folder) or {}
    _print_record(definition, record)
    log.info("experiments: %s runs of %s -> %s", len(results), definition.name, folder)
    failed = [result for result in results if result["state"] == FAILED]
    if failed:
        raise PipelineError(
            f"{len(failed)} of {len(results)} runs of {definition.name} failed; the first, "
            f"{failed[0]['name']}: {failed[0]['cause']}",
            remedy="see .work/experiments/logs/; the same command tries them again.",
        )


def _planned(definition: "Definition", choice: "Choice") -> "list[Run]":
    """Return the runs, each with settings that the pipeline takes."""
    from cli.profiles import profile_path
    from stages.experiments.planning import plan
    from stages.experiments.running import settings_of
    from stages.params_file import load_params

    size = definition.scale(choice.scale)
    load_params(PARAMS)
    source = PARAMS if definition.kind == "command" else profile_path(size.profile, PROFILES)
    runs = plan(definition, choice, profile=settings_of(source))
    for run in runs:
        check_settings(run.settings, f"{definition.name}, {run.row}")
    return runs


def check_settings(settings: Mapping[str, Any], place: str) -> None:
    """Refuse settings that stages/params.py does not allow.

    Raises:
        PipelineError: Naming the first that is at fault.
    """
    from stages.params_file import faults_of

    nested: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, last = key.split(".")
        inner = nested
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[last] = value
    for fault in faults_of(nested):
        raise PipelineError(
            f"experiment {place}: {fault}.",
            remedy="mend the definition or --set-param; `multicsr params explain` says what a "
            "setting may be.",
        )


def _seeds(given: str | None) -> tuple[int, ...]:
    try:
        seeds = tuple(int(seed) for seed in given.split(",")) if given else ()
    except ValueError:
        seeds = (-1,)
    if any(seed < 0 for seed in seeds) or len(set(seeds)) < len(seeds):
        raise PipelineError(
            f"--seeds {given} is no list of different whole numbers.", remedy="write 42,43,44."
        )
    return seeds


def _settings(given: Sequence[str]) -> dict[str, Any]:
    from ruamel.yaml.error import YAMLError

    from stages.documents import load_yaml

    settings = {}
    for text in given:
        key, equals, value = text.partition("=")
        try:
            settings[key] = load_yaml(value)
        except YAMLError:
            equals = ""
        if not equals:
            raise PipelineError(
                f"--set-param {text} is not KEY=VALUE.", remedy="write it like train.tau=0.05."
            )
    return settings


def _check_data(definition: "Definition", choice: "Choice") -> None:
    from stages.experiments.planning import needed_files

    for file in needed_files(definition, choice):
        if choice.data is not None and not (choice.data / file).exists():
            raise PipelineError(
                f"{choice.data} has no {file}, which experiment {definition.name} reads.",
                remedy="put it there, or name another folder with --data; see data/README.md.",
            )


def _command(name: str, scale: str, choice: "Choice", settings: Sequence[str]) -> str:
    """Return what a person may type; the folder of the data differs from place to place."""
    words = ["multicsr", "experiments", "run", name, "--scale", scale]
    words += ["--data", "FOLDER"] if choice.data is not None else []
    words += ["--seeds", ",".join(map(str, choice.seeds))] if choice.seeds else []
    words += [word for setting in settings for word in ("-S", setting)]
    return shlex.join(words)


def _machine() -> dict[str, Any]:
    from cli.machine import describe_machine, versions

    return {"machine": describe_machine(), "versions": versions()}


def _print_commands(
    definition: "Definition", runs: "Sequence[Run]", current: Mapping[str, Any]
) -> None:
    from stages.experiments.running import dvc_command, own_command

    for run in runs:
        if definition.kind == "command":
            words = own_command(run, Path(f"{run.name}.json"))
        else:
            words = dvc_command(run, target=definition.target, current=current)
        OUT.print(shlex.join(words), soft_wrap=True)


def show_experiment(name: Name) -> None:
    """Show an experiment's table, the paper's claim and what was found.

    [bold]Examples[/]

      multicsr experiments show sts
    """
    from stages.experiments.definitions import find_definition
    from stages.experiments.recording import read_record

    definition = find_definition(name)
    record = read_record(REPORTS / definition.name)
    if record is None:
        _print_head(definition)
        OUT.print(f"Not run yet: multicsr experiments run {name} --data FOLDER", soft_wrap=True)
        return
    _print_record(definition, record)


def _print_head(definition: "Definition") -> None:
    from rich.text import Text

    source = "" if definition.paper is None else f" ({definition.paper})"
    OUT.print(Text(f"{definition.title}{source}", "bold"))
    OUT.print(
        Text(f"{definition.claimant}: ", "bold").append(
            " ".join(definition.claim.split()), "not bold"
        )
    )


def _print_record(definition: "Definition", record: Mapping[str, Any]) -> None:
    from rich.text import Text

    from stages.experiments.recording import FAILED, measured_in
    from stages.experiments.tabulating import shown, tabulated

    _print_head(definition)
    OUT.print(Text("Found: ", "bold").append(printable(record["finding"]), "not bold"))
    for finding in record["findings"]:
        OUT.print(Text(f"  - {printable(finding['sentence'])}"))
    measured = measured_in(record)
    if measured and definition.columns:
        table = tabulated(measured, definition.columns, base=definition.base_row)
        _print_table(*shown(table, definition.columns))
    elif measured:
        OUT.print(f"Side by side in {REPORTS / definition.name / 'table.md'}.")
    for run in record["runs"]:
        if run["state"] == FAILED:
            OUT.print(Text(f"failed: {run['name']}: {printable(run['cause'])}", "yellow"))


def _print_table(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column(titles[0], overflow="fold")
    for title in titles[1:]:
        table.add_column(title, justify="right")
    for row in cells:
        table.add_row(*map(printable, row))
    OUT.print(table)
