"""Options that several commands share, and the defaults that follow the project's layout."""

import os
from pathlib import Path
from typing import Annotated

import typer

PARAMS = Path("params.yaml")

ParamsFile = Annotated[
    Path,
    typer.Option("--params", metavar="FILE", help="Settings; see `multicsr params explain`."),
]
TimingFile = Annotated[
    Path | None,
    typer.Option(
        "--timing",
        metavar="FILE",
        help="Write seconds, peak memory, machine and versions to this JSON file.",
        show_default=False,
    ),
]
WorkFolder = Annotated[
    Path | None,
    typer.Option(
        "--work",
        metavar="FOLDER",
        help="Where unfinished work is kept, so that a stopped run continues.",
        show_default="$DVC_ROOT/.work or .work",
    ),
]
EncoderFolder = Annotated[
    Path, typer.Option("--model", metavar="FOLDER", help="Folder of the sentence encoder.")
]
Column = Annotated[
    str | None,
    typer.Option(
        "--column",
        metavar="NAME",
        help="Column of the sentences (.csv, .tsv, .jsonl, .parquet).",
        show_default=False,
    ),
]
Batch = Annotated[
    int,
    typer.Option("--batch", min=1, help="Sentences encoded at once; more take more memory."),
]
ENCODER = Path("models/encoder")
BATCH = 64


def work_folder(given: Path | None) -> Path:
    """Return where unfinished work is kept.

    DVC names the project's own folder in DVC_ROOT, also when it runs an experiment in a copy
    (`--temp`, `--queue`), so that all of them share and keep their finished shards.
    """
    return given or Path(os.environ.get("DVC_ROOT", "")) / ".work"
