"""Benchmarks: sentence pairs that people graded for similarity, one .tsv file each."""

from pathlib import Path

import polars as pl

from stages.corpora.delimited import read_delimited
from stages.errors import PipelineError
from stages.tables.schemas import PAIRS
from stages.tables.writing import write_table

SCORE_MAX = 5


def read_benchmarks(folder: Path) -> dict[str, pl.DataFrame]:
    """Read every .tsv file of ``folder``, by file name without the ending, sorted by name.

    Where ``folder`` itself has none, those of its subfolder ``sts`` are read. The sentences stay as
    they are written, since published figures are for exactly these texts.
    Hidden files, other endings and subfolders are left alone.

    Raises:
        PipelineError: When there is no such folder, no .tsv file in it, or a fault in one of them.
    """
    if not folder.is_dir():
        raise PipelineError(
            f"{folder}, the folder of benchmarks, does not exist or is no folder.",
            remedy="mend `prepare.benchmarks` in params.yaml.",
        )
    files = _tables(folder) or _tables(folder / "sts")
    if not files:
        raise PipelineError(
            f"{folder} holds no benchmark: there is no .tsv file in it.",
            remedy=f"put .tsv files there with the columns {', '.join(PAIRS)}.",
        )
    return {path.stem: read_pairs(path) for path in files}


def _tables(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.tsv") if not path.name.startswith("."))


def read_pairs(path: Path) -> pl.DataFrame:
    """Read one benchmark as PAIRS (stages/tables/schemas.py); blank lines are skipped.

    Raises:
        PipelineError: When columns are missing, there are no pairs, a score is no number from 0 to
            5, a sentence is blank, or all scores are equal so that no correlation exists.
    """
    return checked_pairs(read_delimited(path, separator="\t"), path)


def checked_pairs(table: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return ``table`` (all text, as read from ``path``) as PAIRS, like :func:`read_pairs`."""
    _require_columns(path, table)
    rows = table.select(PAIRS.keys()).with_row_index("line", offset=2)
    rows = rows.filter(pl.any_horizontal(pl.col(list(PAIRS)).str.strip_chars() != ""))
    if rows.is_empty():
        raise PipelineError(f"{path} holds no pairs.", remedy="fill it, or take it away.")
    _require_sentences(path, rows)
    pairs = rows.with_columns(_graded(path, rows)).select(PAIRS.keys())
    if pairs["score"].n_unique() < 2:
        raise PipelineError(
            f"{path} grades all {len(pairs):,} pairs {pairs['score'][0]:g}: "
            "nothing can correlate with that.",
            remedy="grade the pairs, or take the file away.",
        )
    return pairs


def write_benchmarks(benchmarks: dict[str, pl.DataFrame], folder: Path) -> None:
    """Write each as ``folder``/NAME.parquet, and remove every other .parquet file of ``folder``.

    So a benchmark that was taken away is not evaluated again from an earlier run's file.

    Raises:
        PipelineError: When the operating system refuses.
    """
    for name, pairs in benchmarks.items():
        write_table(pairs, folder / f"{name}.parquet")
    for path in folder.glob("*.parquet"):
        if path.stem not in benchmarks:
            _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink()
    except OSError as error:
        raise PipelineError(
            f"{path} is from an earlier run and cannot be removed: {error.strerror}.",
            remedy="remove it yourself, then run again.",
        ) from error


def _require_columns(path: Path, table: pl.DataFrame) -> None:
    missing = [name for name in PAIRS if name not in table.columns]
    if missing:
        raise PipelineError(
            f"{path} has no column {', '.join(missing)}; it has: {', '.join(table.columns)}.",
            remedy=f"name the columns {', '.join(PAIRS)} in the first line, with tabs between.",
        )


def _require_sentences(path: Path, rows: pl.DataFrame) -> None:
    for name in ("sentence1", "sentence2"):
        blank = rows.filter(pl.col(name).str.strip_chars() == "")
        if len(blank):
            raise PipelineError(
                f"{path}, line {blank['line'][0]:,}: {name} is blank.",
                remedy="fill it, or take the line away.",
            )


def _graded(path: Path, rows: pl.DataFrame) -> pl.Series:
    scores = rows["score"].str.strip_chars().cast(pl.Float64, strict=False)
    wrong = rows.filter(~scores.is_between(0, SCORE_MAX).fill_null(value=False))
    if len(wrong):
        line, score = wrong.row(0, named=True)["line"], wrong["score"][0]
        raise PipelineError(
            f"{path}, line {line:,}: score {score!r} is no number from 0 to {SCORE_MAX}.",
            remedy="mend the score; other scales must be brought to 0 to 5 first.",
        )
    return scores
