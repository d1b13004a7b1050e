"""`multicsr judge`: do the judges agree with people?"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import OUT, progress
from cli.options import PARAMS, ParamsFile, WorkFolder, work_folder
from stages.errors import PipelineError

if TYPE_CHECKING:
    import polars as pl

    from stages.judges.agreement import Agreement
    from stages.judges.protocol import Judge, Judgement
    from stages.language_models.servers.settings import Server

log = logging.getLogger(__name__)

RESAMPLES, CONFIDENCE = 1000, 0.95
COMBINED = ("min", "mean", "max")


class Name(StrEnum):
    """The judges: five ways to ask the language model, the encoder and a classifier."""

    GENERATE = "generate"
    EXPECTATION = "expectation"
    LIKELIHOOD = "likelihood"
    FORWARD = "forward"
    CONTRAST = "contrast"
    ENCODER = "encoder"
    NLI = "nli"


class Dtype(StrEnum):
    """Arithmetic of the language model."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"


def _model(text: str) -> Any:
    return typer.Option(metavar="FOLDER", help=text, rich_help_panel="Models")


def judge(  # noqa: PLR0913, PLR0917  every choice is an option
    pairs: Annotated[Path, typer.Argument(metavar="FILE", help="Graded pairs: .tsv or .parquet.")],
    judges: Annotated[
        list[Name] | None,
        typer.Option(
            "--judge",
            metavar="NAME",
            help=f"One of {', '.join(Name)}; may be repeated.",
            show_default="likelihood",
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=2, metavar="N", help="Judge so many pairs, drawn by --seed.", show_default="all"
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, metavar="N", help="Seed of the draw and of the resampling.")
    ] = 42,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Also write every score: .parquet, or .json with the figures.",
            show_default=False,
        ),
    ] = None,
    llm: Annotated[Path, _model("The language model.")] = Path("models/llm"),
    encoder: Annotated[Path, _model("The encoder.")] = Path("models/guide"),
    nli: Annotated[Path, _model("The classifier of entailment.")] = Path("models/nli"),
    batch: Annotated[
        int, typer.Option(min=1, metavar="N", help="Pairs judged at once; more take more memory.")
    ] = 32,
    dtype: Annotated[
        Dtype,
        typer.Option(metavar="TYPE", help=f"Arithmetic of the language model: {', '.join(Dtype)}."),
    ] = Dtype.AUTO,
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
) -> None:
    """Say how well a judge agrees with people, on pairs that people graded.

    The scores come about as in stage `score`; the figure is Spearman's rank
    correlation with the grades, with its 95 % bootstrap interval. The mean
    scores at 4.5-5 and 0-0.5 are those of pairs people graded so: they show
    where the scale's ends lie.
    Pairs whose answer cannot be read are counted and left out. With several
    judges, their least, mean and greatest score are compared as well.

    FILE has the columns subset, score (0 to 5), sentence1 and sentence2.

    [bold]Examples[/]

      multicsr judge data/starter/benchmarks/dev.tsv
      multicsr judge pairs.tsv --judge generate --limit 200
      multicsr judge pairs.tsv --judge likelihood --judge encoder -o scores.parquet
    """
    writer = {".parquet": _write_parquet, ".json": _write_json}.get(
        output.suffix.lower() if output else ".json"
    )
    if writer is None:
        raise PipelineError(
            f"--output {output} ends in neither .parquet nor .json.",
            remedy="choose one of the two.",
        )
    from stages.judges.agreement import drawn
    from stages.judges.loading import Folders, load_judge
    from stages.judges.protocol import record

    table = drawn(_read(pairs), limit, seed=seed)
    folders = Folders(llm=llm, encoder=encoder, nli=nli)
    # All are loaded before the first is asked: a fault in the last must not cost its answers.
    asked: list[Judge] = [
        load_judge(name, folders, dtype=dtype, server=_server(params))
        for name in dict.fromkeys(judges or [Name.LIKELIHOOD])
    ]
    judgements = {
        one.name: _judged(one, table, pairs, batch=batch, work=work_folder(work)) for one in asked
    }
    rows = _agreements(judgements, table, seed=seed)
    _print(rows)
    if output is not None:
        figures = {"judges": [*map(record, asked)], "figures": [*map(asdict, rows)]}
        writer(output, table, judgements, figures)
        log.info("judge: the scores of %s pairs -> %s", f"{len(table):,}", output)


def _judged(
    judge: "Judge", table: "pl.DataFrame", pairs: Path, *, batch: int, work: Path
) -> "list[Judgement]":
    """Ask a judge; what a server answers is kept, and its account is that of the file."""
    from stages.engines.digests import path_digest
    from stages.judges.agreement import judged_pairs
    from stages.judges.by_language_model import language_model_of
    from stages.language_models.servers.account import accounted

    account = work / "judge" / path_digest(pairs).hex()[:16]
    with accounted(language_model_of(judge), account, work=work):
        return judged_pairs(judge, table, batch_pairs=batch, progress=progress)


def _server(params: Path) -> "Server | None":
    """Return how a language model behind a server is asked; None where no file says so."""
    if not params.is_file():
        return None
    from stages.language_models.servers.settings import Server
    from stages.params_file import load_params

    return Server(**load_params(params).server.model_dump())


def _read(path: Path) -> "pl.DataFrame":
    if path.suffix.lower() == ".parquet":
        from stages.tables.reading import read_table
        from stages.tables.schemas import PAIRS

        return read_table(path, PAIRS)
    from stages.corpora.benchmarks import read_pairs

    return read_pairs(path)


def _agreements(
    judgements: "Mapping[str, list[Judgement]]", table: "pl.DataFrame", *, seed: int
) -> "list[Agreement]":
    """Compare each judge, and several together, with the grades."""
    import numpy as np

    from stages.equations.similarity_scores import combined_scores
    from stages.evaluation.comparison import Resampling
    from stages.judges.agreement import agreement

    scores: dict[str, Sequence[float | None]] = {
        name: [judgement.score for judgement in said] for name, said in judgements.items()
    }
    if len(scores) > 1:
        stacked = np.array(list(scores.values()), dtype=float)  # None becomes NaN
        for how in COMBINED:
            both = combined_scores(stacked, how)
            scores[how] = [None if np.isnan(score) else float(score) for score in both]
    resampling = Resampling(RESAMPLES, CONFIDENCE, seed)
    grades = table["score"].to_numpy()
    return [agreement(name, values, grades, resampling) for name, values in scores.items()]


def _print(rows: "list[Agreement]") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown.add_column("judge")
    for title in ("pairs", "unreadable", "Spearman", "95 %", "at 4.5-5", "at 0-0.5"):
        shown.add_column(title, justify="right", no_wrap=True)
    for row in rows:
        bounds = "-" if row.low is None else f"{row.low:.3f} to {row.high:.3f}"
        shown.add_row(
            row.judge,
            f"{row.pairs:,}",
            f"{row.unreadable:,}",
            _number(row.spearman, 3),
            bounds,
            _number(row.similar, 2),
            _number(row.unrelated, 2),
        )
    OUT.print(shown)


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _with_scores(
    table: "pl.DataFrame", judgements: "Mapping[str, list[Judgement]]"
) -> "pl.DataFrame":
    import polars as pl

    columns = [
        column
        for name, said in judgements.items()
        for column in (
            pl.Series(f"{name}_score", [one.score for one in said], dtype=pl.Float64),
            pl.Series(f"{name}_answer", [one.answer for one in said], dtype=pl.String),
        )
    ]
    return table.with_columns(columns)


def _write_parquet(
    out: Path,
    table: "pl.DataFrame",
    judgements: "Mapping[str, list[Judgement]]",
    figures: Mapping[str, object],  # noqa: ARG001  a table has no place for it
) -> None:
    from stages.tables.writing import write_table

    write_table(_with_scores(table, judgements), out)


def _write_json(
    out: Path,
    table: "pl.DataFrame",
    judgements: "Mapping[str, list[Judgement]]",
    figures: Mapping[str, object],
) -> None:
    from stages.tables.json_files import write_json

    write_json({**figures, "pairs": _with_scores(table, judgements).to_dicts()}, out)
