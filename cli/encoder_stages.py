"""The commands of the stages that make and measure an encoder; see ``cli.stage_commands``."""

from pathlib import Path
from typing import Annotated

import typer

from cli.console import progress
from cli.options import PARAMS, ParamsFile, TimingFile, WorkFolder, work_folder
from cli.ray_training import ClusterAddress, Launcher, LauncherName, Workers, train_under_ray
from cli.stage_options import (
    DATA,
    MODELS,
    REPORTS,
    ReadBase,
    ReadBenchmarks,
    ReadCurated,
    ReadEncoder,
    ReadGuide,
    ReadLabelled,
    engine_in_use,
    reads,
    writes,
)
from cli.timing import timed


def train(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    curated: ReadCurated = DATA / "curated.parquet",
    labelled: ReadLabelled = DATA / "labelled.parquet",
    base: ReadBase = MODELS / "base",
    guide: ReadGuide = MODELS / "guide",
    benchmarks: ReadBenchmarks = DATA / "benchmarks",
    encoder: Annotated[Path, writes("Folder of the trained encoder.")] = MODELS / "encoder",
    training: Annotated[Path, writes("Folder of loss and dev curve.")] = REPORTS / "training",
    preparation: Annotated[Path, reads("Counts for the model card.")] = (
        REPORTS / "preparation.json"
    ),
    curation: Annotated[Path, reads("Counts for the model card.")] = REPORTS / "curation.json",
    origins: Annotated[Path, reads("Licences for the model card.")] = REPORTS / "models.json",
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
    launcher: LauncherName = Launcher.here,
    workers: Workers = 1,
    address: ClusterAddress = None,
) -> None:
    """Train the sentence encoder on the kept triplets.

    Stage 3 of the paper: the guide's cosines hide false negatives of the
    batch. The checkpoint that is best on train.dev wins; a stopped run
    continues from its last checkpoint, whoever started its processes: this
    command, torchrun or Ray.

    [bold]Examples[/]

      multicsr train
      multicsr train --launcher ray --workers 8 --address auto
      torchrun --nproc-per-node 2 -m cli train
      dvc exp run -S train.sigma=1.1         [dim]without the mask[/]
    """
    paths = {
        "curated": curated,
        "labelled": labelled,
        "base": base,
        "guide": guide,
        "benchmarks": benchmarks,
        "encoder": encoder,
        "training": training,
        "preparation": preparation,
        "curation": curation,
        "origins": origins,
    }
    with timed("train", timing) as cost:
        from stages.params_file import load_params

        chosen = load_params(params)
        place = work_folder(work)
        if launcher is Launcher.ray:
            cluster = address or chosen.engine.address
            train_under_ray(params, paths, work=place, workers=workers, address=cluster)
            return
        from stages import train as stage

        with engine_in_use(chosen.engine, cost) as engine:
            stage.run(chosen.train, **paths, work=place, progress=progress, engine=engine)


def evaluate(  # noqa: PLR0913, PLR0917  as many options as the stage has files
    encoder: ReadEncoder = MODELS / "encoder",
    base: ReadBase = MODELS / "base",
    benchmarks: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="Folder of the tasks' files.",
            rich_help_panel="Reads",
            show_default="prepare.benchmarks",
        ),
    ] = None,
    metrics: Annotated[Path, writes("The figure of every task, times 100.")] = (
        REPORTS / "metrics.json"
    ),
    details: Annotated[Path, writes("The same with confidence intervals.")] = (
        REPORTS / "evaluation.json"
    ),
    worst: Annotated[Path, writes("The sentences behind the greatest errors.")] = (
        REPORTS / "hardest.json"
    ),
    drawings: Annotated[
        Path, writes("Folder: cosines by grade and a map of vectors, to be drawn.")
    ] = REPORTS / "space",
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
    timing: TimingFile = None,
) -> None:
    """Compare base and trained encoder on graded pairs and other tasks.

    The figure of graded pairs is Spearman's rank correlation of cosines and
    human grades, times 100, for every file in the benchmarks folder, and their
    mean. evaluate.tasks names what else is measured: sts, transfer, retrieval,
    bitext, or single tasks; data/README.md says which files they need.

    [bold]Examples[/]

      multicsr evaluate
      dvc exp run -S 'evaluate.tasks=[sts,transfer]' -S prepare.benchmarks=FOLDER
    """
    with timed("evaluate", timing):
        from stages import evaluate as stage
        from stages.params_file import load_params
        from stages.storage.bringing import brought

        chosen = load_params(params)
        with brought(str(benchmarks or chosen.prepare.benchmarks)) as folder:
            stage.run(
                chosen.evaluate,
                encoder=encoder,
                base=base,
                benchmarks=folder,
                metrics=metrics,
                details=details,
                worst=worst,
                drawings=drawings,
                work=work_folder(work),
                progress=progress,
            )
