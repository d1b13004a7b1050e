"""`multicsr params`: show, explain and switch the settings."""

import logging
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import OUT
from cli.options import PARAMS, ParamsFile
from stages.errors import PipelineError, did_you_mean

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from cli.profiles import Change

log = logging.getLogger(__name__)

Prefixes = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY]...", help="Settings or sections; all without.", show_default=False
    ),
]
KINDS = {"float": "number", "int": "whole number", "str": "text", "bool": "true or false"}


EXAMPLES = """\
[bold]Examples[/]

  multicsr params show train
  multicsr params explain curate.gamma
  multicsr params switch smoke --dry-run
"""


def build_app() -> typer.Typer:
    """Return the group `params` with its commands."""
    app = typer.Typer(name="params", rich_markup_mode="rich")
    app.callback(invoke_without_command=True, epilog=EXAMPLES)(_group)
    for command in (show, explain, switch):
        app.command()(command)
    return app


def _group(context: typer.Context) -> None:
    """Show, explain and switch the settings in params.yaml."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def show(keys: Prefixes = None, params: ParamsFile = PARAMS) -> None:
    """Show the values in force, checked, one full key a line.

    [bold]Examples[/]

      multicsr params show
      multicsr params show models train.sigma
    """
    from cli.profiles import settings_in
    from stages.params_file import load_params

    load_params(params)
    values = settings_in(params)
    for key in _chosen(list(values), keys):
        OUT.print(f"{key} = {values[key]}", soft_wrap=True)


def explain(keys: Prefixes = None, params: ParamsFile = PARAMS) -> None:
    """Say what every setting does, what it may be, and what it is now.

    [bold]Examples[/]

      multicsr params explain
      multicsr params explain generate curate.alpha
    """
    from rich.padding import Padding
    from rich.text import Text

    from cli.profiles import settings_in
    from stages import params as contract

    values = settings_in(params) if params.is_file() else {}
    fields = dict(contract.settings())
    for key in _chosen(list(fields), keys):
        head = Text(key, "bold")
        if key in values:
            head.append(f" = {values[key]}", "not bold cyan")
        OUT.print(head, soft_wrap=True)
        OUT.print(Padding(Text(allowed(fields[key]), "dim"), (0, 0, 0, 4)))
        OUT.print(Padding(Text(fields[key].description or ""), (0, 0, 1, 4)))


def switch(
    profile: Annotated[str, typer.Argument(help="Name of a file in profiles/, without ending.")],
    params: ParamsFile = PARAMS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the difference.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also give up settings that are kept nowhere else.")
    ] = False,
) -> None:
    """Replace params.yaml by a profile, and show what that changes.

    Settings that neither git nor a profile keeps are not overwritten without
    --force. What the change means for each stage: `dvc status`.

    [bold]Examples[/]

      multicsr params switch smoke --dry-run
      multicsr params switch paper-flan-t5-xl
    """
    from cli import profiles

    source = profiles.profile_path(profile, params.parent / "profiles")
    differences = profiles.changes(profiles.settings_in(params), profiles.settings_in(source))
    if not differences:
        log.info("%s already has the values of profile %s; nothing to do.", params, profile)
        return
    _print_changes(differences)
    if dry_run:
        log.info("%s is unchanged (--dry-run); %s settings differ.", params, len(differences))
        return
    back = profiles.way_back(params, source.parent)
    if back is None and not force:
        raise PipelineError(
            f"{params} holds settings that neither git nor a profile keeps.",
            remedy="commit the file, or give the settings up with --force.",
        )
    profiles.switch(params, source)
    log.info("%s now is profile %s: %s settings changed.", params, profile, len(differences))
    log.info("to go back: %s", back or "the old values are in the table above")


def _chosen(known: list[str], wanted: list[str] | None) -> list[str]:
    """Return the keys that are, or lie below, one of ``wanted``; all without."""
    if not wanted:
        return known
    sections = {".".join(key.split(".")[:depth]) for key in known for depth in (1, 2)}
    for prefix in wanted:
        if not any(_below(key, prefix) for key in known):
            near = did_you_mean(prefix, [*known, *sorted(sections)])
            raise PipelineError(
                f"there is no setting {prefix!r}{near}",
                remedy="`multicsr params show` lists them all.",
            )
    return [key for key in known if any(_below(key, prefix) for prefix in wanted)]


def _below(key: str, prefix: str) -> bool:
    return key == prefix or key.startswith(f"{prefix}.")


def allowed(field: "FieldInfo") -> str:
    """Say in words what a setting may be."""
    from stages.params import choices, is_list

    if listed := choices(field):
        named = ", ".join(str(value) for value in listed)
        return f"a list, each once: {named}" if is_list(field) else f"one of {named}"
    if is_list(field):
        return "a list of names, each once"
    annotation = str(getattr(field.annotation, "__name__", field.annotation))
    parts = [KINDS.get(part.strip(), part.strip()) for part in annotation.split("|")]
    kind = " or ".join("null" if part == "None" else part for part in parts)
    limits = [words for rule in field.metadata for words in _limit(rule)]
    return ", ".join([kind, *limits])


def _limit(rule: Any) -> list[str]:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    return [
        f"{word} {getattr(rule, name):g}" for name, word in words.items() if hasattr(rule, name)
    ]


def _print_changes(differences: "list[Change]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("setting", no_wrap=True)
    table.add_column("old", style="red", overflow="fold")
    table.add_column("new", style="green", overflow="fold")
    for change in differences:
        table.add_row(*change)
    OUT.print(table)
