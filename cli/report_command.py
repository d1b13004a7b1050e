"""`multicsr report`: the page, also with another revision beside it, and opened at once."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from cli.options import PARAMS, ParamsFile, TimingFile
from cli.timing import timed

log = logging.getLogger(__name__)


def report(
    folder: Annotated[
        Path,
        typer.Option(
            metavar="PATH",
            help="The project's folder: data/ and reports/.",
            rich_help_panel="Reads",
        ),
    ] = Path(),
    report: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="One self-contained page.",
            rich_help_panel="Writes",
            show_default="reports/report.html; with --against reports/comparison.html",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            metavar="REV",
            help="Also compare with a Git revision or DVC experiment, or two: REV..REV.",
            show_default=False,
        ),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Put everything on one page: scores, sentences, curves, experiments.

    Whatever has not been made yet is left out, and the page says so. A page
    with a comparison has a name of its own, for reports/report.html is what
    `dvc repro` made.

    [bold]Examples[/]

      multicsr report --open
      multicsr report --against main
      multicsr report --against my-experiment..HEAD --open
      multicsr report --report /tmp/half-way.html
    """
    page = report or Path("reports") / ("report.html" if against is None else "comparison.html")
    with timed("report", timing):
        from stages import report as stage
        from stages.params_file import load_params

        stage.run(load_params(params), folder=folder, report=page, against=against)
    if show:
        import webbrowser

        if not webbrowser.open(page.resolve().as_uri()):
            log.warning("no browser could be opened; the page is %s", page.resolve())
