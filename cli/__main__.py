"""The command line: `python -m cli ...` or `multicsr ...`."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer

from cli import (
    doctor_command,
    encoder_commands,
    evaluate_command,
    experiments_commands,
    inspect_command,
    judge_command,
    params_commands,
    plan_command,
    sharing_commands,
    stage_commands,
    work_commands,
)
from cli.console import OUT, configure
from cli.ending import run_to_its_end
from cli.machine import is_first_process, own_version
from cli.quiet_libraries import quieten_libraries

PANELS: dict[str, Sequence[Callable[..., Any]]] = {
    "Stages": stage_commands.STAGES,
    "Use the encoder": (*encoder_commands.COMMANDS, *sharing_commands.COMMANDS),
    "Look": (
        inspect_command.inspect,
        judge_command.judge,
        evaluate_command.evaluate_encoder,
    ),
    "Set up": (doctor_command.doctor, plan_command.plan),
}
EXAMPLES = """\
[bold]Begin with[/]

  dvc repro                              [dim]all stages, as params.yaml says[/]
  multicsr doctor                        [dim]is everything in place?[/]
  multicsr similarity "A cat sleeps." "A cat is asleep."

Exit codes: 0 well, 1 the data failed a check, 2 something to mend
(the message says how), 70 a fault of multicsr, 130 or 143 stopped.
"""


def _show_version(wanted: bool) -> None:
    if wanted:
        OUT.print(f"multicsr {own_version()}")
        raise typer.Exit


def _root(
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Say more: details and libraries' warnings.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say only what is wrong; no progress.")
    ] = False,
    version: Annotated[  # noqa: ARG001  its callback acts
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and end."
        ),
    ] = False,
) -> None:
    """Turn a file of plain sentences into a better sentence encoder.

    A language model writes for every sentence one that follows and one that
    contradicts, judges its own work, and the good triplets train the encoder.
    No labels are needed.
    """
    # Of processes that train together (torchrun), one speaks.
    configure(verbose=verbose, quiet=quiet or not is_first_process())


def build_app() -> typer.Typer:
    """Return the application with all commands in their panels."""
    app = typer.Typer(
        name="multicsr",
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback(epilog=EXAMPLES)(_root)
    for panel, commands in PANELS.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)
    app.add_typer(experiments_commands.build_app(), rich_help_panel="Look")
    app.add_typer(params_commands.build_app(), rich_help_panel="Set up")
    app.add_typer(work_commands.build_app(), rich_help_panel="Set up")
    return app


app = build_app()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; see :mod:`cli.ending` for their meaning.

    Args:
        arguments: What stands behind `multicsr`; by default what this process was called with.
    """
    quieten_libraries()
    if "_MULTICSR_COMPLETE" in os.environ:  # a shell asks for completions
        app(prog_name="multicsr")
    given = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]

    def command() -> None:
        root = typer.main.get_command(app)
        with root.make_context("multicsr", given) as context:
            root.invoke(context)

    return run_to_its_end(command, arguments=given)


if __name__ == "__main__":
    sys.exit(main())
