"""`multicsr evaluate-encoder`: any encoder on any tasks, outside the pipeline."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.console import OUT, progress
from cli.options import BATCH, Batch, WorkFolder, work_folder
from cli.wording import printable
from stages.errors import PipelineError

log = logging.getLogger(__name__)

CONFIDENCE = 0.95
ENCODER_NAMES = ("against", "encoder")


def evaluate_encoder(  # noqa: PLR0913, PLR0917  every choice is an option
    encoder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the encoder.")],
    benchmarks: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of the tasks' files.")
    ] = Path("data/starter/benchmarks"),
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            "--task",
            metavar="NAME",
            help="Task or group: own, sts, transfer, retrieval, bitext; may be repeated.",
            show_default="own",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Another encoder to compare with.", show_default=False),
    ] = None,
    subsets: Annotated[
        bool, typer.Option("--subsets", help="Also show the parts of each benchmark.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write all figures: .json.",
            show_default=False,
        ),
    ] = None,
    samples: Annotated[
        int, typer.Option(min=100, metavar="N", help="Resamples behind every interval.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the resampling.")] = 42,
    batch: Batch = BATCH,
    work: WorkFolder = None,
) -> None:
    """Measure an encoder on graded pairs, classification, retrieval.

    Figures are times 100, with 95 % bootstrap intervals. With --against the
    table shows both encoders and the gain over the other one, from the same
    resampled items for both: encoders of equal quality differ by chance only,
    and p says how well chance explains the gain.
    Tasks without data are left out, and a line says which file to put where.

    [bold]Examples[/]

      multicsr evaluate-encoder models/encoder
      multicsr evaluate-encoder models/base --benchmarks FOLDER --task sts
      multicsr evaluate-encoder models/encoder --against models/base -o both.json
    """
    if output is not None and output.suffix.lower() != ".json":
        raise PipelineError(f"--output {output} does not end in .json.", remedy="name it so.")
    from stages.encoders.vector_store import VectorStore
    from stages.evaluation.comparison import Resampling
    from stages.evaluation.results import results
    from stages.evaluation.scoring import score_tasks
    from stages.evaluation.tasks.loading import load_tasks

    loaded = load_tasks(benchmarks, tasks or ["own"])
    folders = [encoder] if against is None else [against, encoder]
    names = ENCODER_NAMES[-len(folders) :]
    stores = [
        VectorStore(folder, work=work_folder(work), batch_sentences=batch, progress=progress)
        for folder in folders
    ]
    scores = [score_tasks(store, loaded, progress=progress) for store in stores]
    resampling = Resampling(samples, CONFIDENCE, seed)
    found = results([task.task for task in loaded], scores, resampling, names=names)
    _print(found, names, subsets=subsets)
    if output is not None:
        from stages.tables.json_files import write_json

        write_json({"encoders": dict(zip(names, map(str, folders), strict=True)), **found}, output)
        log.info("evaluate-encoder: %s tasks -> %s", len(loaded), output)


def _print(found: Mapping[str, Any], names: Sequence[str], *, subsets: bool) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    parts = [("graded pairs", "spearman", found)] if found["tasks"] else []
    parts += [(part["group"], part["metric"], part) for part in found["further"]]
    for group, metric, part in parts:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column(f"{group}, {metric}", overflow="fold")
        for title in _titles(names):
            table.add_column(title, justify="right", no_wrap=True)
        for name, entry in _rows(part, subsets=subsets):
            table.add_row(printable(name), *_cells(entry, names))
        OUT.print(table)


def _titles(names: Sequence[str]) -> list[str]:
    return [names[0], "95 %"] if len(names) == 1 else [*names, "gain", "95 %", "p"]


def _rows(part: Mapping[str, Any], *, subsets: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for entry in part["tasks"]:
        yield entry["task"], entry
        for subset in entry.get("subsets", ()) if subsets else ():
            yield f"  {subset['subset']}", subset
        for measure, values in entry.get("measures", {}).items():
            yield f"  {measure}", values
    if len(part["tasks"]) > 1:
        yield "mean", part["mean"]


def _cells(entry: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Return the figures of a row; a measure has one number an encoder and no interval."""
    figures = [entry[name] for name in names]
    if not isinstance(figures[0], dict):
        return [f"{figure:.2f}" for figure in figures]
    shown = [f"{_value(figure):.2f}" for figure in figures]
    if len(names) == 1:
        return [*shown, f"{figures[0]['low']:.2f} to {figures[0]['high']:.2f}"]
    gain = entry["gain"]
    bounds = f"{gain['low']:+.2f} to {gain['high']:+.2f}"
    return [*shown, f"{_value(gain):+.2f}", bounds, f"{gain['p']:.3f}"]


def _value(figure: Mapping[str, float]) -> float:
    return figure["spearman"] if "spearman" in figure else figure["value"]
