"""`multicsr train --launcher ray`: the same stage in every worker of a Ray cluster."""

import logging
import os
from collections.abc import Mapping
from enum import StrEnum, auto
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import ERR, configure, progress
from cli.machine import is_first_process
from cli.quiet_libraries import quieten_libraries


class Launcher(StrEnum):
    """Who starts the processes that train."""

    here = auto()
    """This process alone, or those that torchrun has started."""
    ray = auto()
    """Ray Train."""


LAUNCH = "Processes"
LauncherName = Annotated[
    Launcher,
    typer.Option(
        help="Who starts the processes; never changes the result. `here`: this one, or torchrun.",
        envvar="MULTICSR_LAUNCHER",
        rich_help_panel=LAUNCH,
    ),
]
Workers = Annotated[
    int,
    typer.Option(
        min=1,
        help="Processes of --launcher ray.",
        envvar="MULTICSR_WORKERS",
        rich_help_panel=LAUNCH,
    ),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Of a running Ray cluster (`auto` finds it); by default one is started here.",
        envvar="RAY_ADDRESS",
        rich_help_panel=LAUNCH,
        show_default=False,
    ),
]


def train_under_ray(
    params: Path, paths: Mapping[str, Path], *, work: Path, workers: int, address: str | None
) -> None:
    """Run stage train in ``workers`` processes; see :func:`stages.train.run` for the paths.

    Args:
        params: params.yaml; each worker reads it for itself.
        paths: Arguments of the stage; relative ones are those of this folder.
        work: Where unfinished work is kept.
        workers: How many processes.
        address: Of the cluster; None starts one here.
    """
    from stages.engines.ray_training import run_under_ray

    arguments = {
        "project": str(Path.cwd()),
        "params": str(params),
        "paths": {name: str(path) for name, path in {**paths, "work": work}.items()},
    }
    folder = work.absolute() / "train"
    run_under_ray(
        *(in_a_worker, arguments),
        workers=workers,
        address=address,
        folder=folder,
        tell=lambda line: ERR.print(line, soft_wrap=True),
    )


def in_a_worker(arguments: dict[str, Any]) -> None:
    """Run stage train where Ray has started this process."""
    os.chdir(arguments["project"])
    quieten_libraries()
    logging.getLogger().handlers.clear()  # Ray's own, which would say everything twice
    with Path(arguments["said"]).open("a", encoding="utf-8", buffering=1) as said:
        ERR.file = said
        configure(quiet=not is_first_process())
        _train(arguments)


def _train(arguments: dict[str, Any]) -> None:
    from stages import train as stage
    from stages.params_file import load_params

    params = load_params(Path(arguments["params"])).train
    paths: dict[str, Any] = {name: Path(path) for name, path in arguments["paths"].items()}
    stage.run(params, **paths, progress=progress)
