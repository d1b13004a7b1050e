"""Everyday use of an encoder: vectors for a file, similarity of pairs, search in a corpus."""

import json
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.console import OUT, progress
from cli.options import BATCH, ENCODER, Batch, Column, EncoderFolder
from cli.wording import printable
from stages.errors import PipelineError, first_line

if TYPE_CHECKING:
    import polars as pl

    from cli.nearest import Vectors

log = logging.getLogger(__name__)

JsonLines = Annotated[bool, typer.Option("--json", help="Write JSON lines, for pipes.")]


def encode(
    sentences: Annotated[Path, typer.Argument(help="Sentence file.", metavar="FILE")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="Result: .parquet or .npy.")
    ],
    model: EncoderFolder = ENCODER,
    column: Column = None,
    batch: Batch = BATCH,
) -> None:
    """Turn every sentence of a file into a vector of length 1.

    A .parquet result has the columns `sentence` and `embedding`; a .npy
    result is a float32 matrix. Row i belongs to row i of the input.

    [bold]Examples[/]

      multicsr encode sentences.txt --out vectors.parquet
      multicsr encode reviews.csv --column text --out vectors.npy
    """
    writer = {".parquet": _write_parquet, ".npy": _write_numpy}.get(out.suffix.lower())
    if writer is None:
        raise PipelineError(
            f"--out {out} ends in neither .parquet nor .npy.", remedy="choose one of the two."
        )
    from stages.corpora.reading import read_sentences

    texts = read_sentences(sentences, column=column)
    vectors = _vectors(texts.to_list(), model=model, batch=batch)
    writer(out, texts, vectors)
    log.info(
        "encode: %s sentences, %s numbers each -> %s", f"{len(texts):,}", vectors.shape[1], out
    )


def similarity(
    first: Annotated[str | None, typer.Argument(help="A sentence.", show_default=False)] = None,
    second: Annotated[
        str | None, typer.Argument(help="Another sentence.", show_default=False)
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Pairs: .tsv with sentence1 and sentence2."),
    ] = None,
    model: EncoderFolder = ENCODER,
    batch: Batch = BATCH,
) -> None:
    """Say how similar two sentences are: the cosine of their vectors.

    1 means the same to the encoder, about 0 unrelated. With --pairs the
    result is tab-separated: cosine, sentence1, sentence2; what a spreadsheet
    program would run has a quotation mark in front.

    [bold]Examples[/]

      multicsr similarity "The shop is shut." "The store has closed."
      multicsr similarity --pairs pairs.tsv > cosines.tsv
    """
    if pairs is None and first is not None and second is not None:
        one, other = _vectors([first, second], model=model, batch=batch)
        OUT.print(f"{one @ other:.4f}")
        return
    if pairs is None or first is not None:
        raise PipelineError(
            "similarity takes either two sentences or --pairs FILE.",
            remedy='put each sentence in quotes: multicsr similarity "One." "Another."',
        )
    from stages.tables.spreadsheets import spreadsheet_cell

    table = _read_pairs(pairs)
    vectors = _vectors([*table["sentence1"], *table["sentence2"]], model=model, batch=batch)
    cosines = (vectors[: len(table)] * vectors[len(table) :]).sum(axis=1)
    sys.stdout.write("cosine\tsentence1\tsentence2\n")
    for cosine, pair in zip(cosines, table.iter_rows(), strict=True):
        one, other = map(spreadsheet_cell, pair)
        sys.stdout.write(f"{cosine:.4f}\t{one}\t{other}\n")


def search(
    queries: Annotated[list[str], typer.Argument(help="What to look for.", metavar="QUERY...")],
    corpus: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Sentence file, or a .parquet made by `encode`."),
    ],
    top: Annotated[int, typer.Option("--top", "-k", min=1, help="Sentences shown a query.")] = 5,
    model: EncoderFolder = ENCODER,
    column: Column = None,
    batch: Batch = BATCH,
    json_lines: JsonLines = False,
) -> None:
    """Find the sentences of a file that are nearest to a query.

    Every sentence is compared, none is approximated. Encode a large corpus
    once and search the result: that takes no time per sentence.

    [bold]Examples[/]

      multicsr search "late delivery" --corpus reviews.txt
      multicsr encode reviews.txt --out reviews.parquet
      multicsr search "late delivery" "rude staff" --corpus reviews.parquet -k 3
    """
    from cli.nearest import nearest_rows

    texts, vectors = _encoded(corpus) or _encode_corpus(corpus, column, model=model, batch=batch)
    asked = _vectors(queries, model=model, batch=batch)
    if asked.shape[1] != vectors.shape[1]:
        raise PipelineError(
            f"{corpus} holds vectors of {vectors.shape[1]} numbers, but {model} makes "
            f"{asked.shape[1]}.",
            remedy="encode the corpus with this encoder, or name the one that made it (--model).",
        )
    found = nearest_rows(asked, vectors, top=top)
    for query, rows, cosines in zip(queries, found.rows, found.cosines, strict=True):
        hits = [
            (float(cosine), int(row) + 1, texts[int(row)])
            for row, cosine in zip(rows, cosines, strict=True)
        ]
        (_print_json if json_lines else _print_hits)(query, hits)


COMMANDS = (encode, similarity, search)


def _vectors(sentences: list[str], *, model: Path, batch: int) -> "Vectors":
    from stages.encoders.embedding import embed
    from stages.encoders.loading import load_encoder

    if model == ENCODER and not model.exists():
        raise PipelineError(
            f"{model} does not exist: no encoder has been trained here yet.",
            remedy="train one (`dvc repro`), or name another one, such as --model models/base.",
        )
    encoder = load_encoder(model)
    return embed(encoder, sentences, batch_sentences=batch, progress=progress)


def _encode_corpus(
    corpus: Path, column: str | None, *, model: Path, batch: int
) -> tuple["pl.Series", "Vectors"]:
    from stages.corpora.reading import read_sentences

    texts = read_sentences(corpus, column=column)
    return texts, _vectors(texts.to_list(), model=model, batch=batch)


def _encoded(corpus: Path) -> tuple["pl.Series", "Vectors"] | None:
    """Return sentences and vectors when ``corpus`` was made by `encode`, else None."""
    import polars as pl

    from stages.tables.reading import UNREADABLE, read_parquet

    if corpus.suffix.lower() != ".parquet" or not corpus.is_file():
        return None
    try:
        made = {"sentence", "embedding"}
        table = read_parquet(corpus, columns=made)
        if not made <= set(table.columns):
            return None
        width = len(table["embedding"][0]) if len(table) else 0
        vectors = table["embedding"].cast(pl.Array(pl.Float32, width)).to_numpy()
    except UNREADABLE as error:
        raise PipelineError(
            f"{corpus} cannot be read as the result of `encode`: {first_line(error)}.",
            remedy="encode the corpus again.",
        ) from error
    return table["sentence"], vectors


def _write_parquet(out: Path, texts: "pl.Series", vectors: "Vectors") -> None:
    import polars as pl

    from stages.tables.writing import write_table

    embedding = pl.Series("embedding", vectors).cast(pl.List(pl.Float32))
    write_table(pl.DataFrame([texts.rename("sentence"), embedding]), out)


def _write_numpy(out: Path, texts: "pl.Series", vectors: "Vectors") -> None:  # noqa: ARG001
    import numpy as np

    from stages.tables.replacing import replacing

    with replacing(out) as temporary, temporary.open("wb") as file:
        np.save(file, vectors, allow_pickle=False)


def _read_pairs(path: Path) -> "pl.DataFrame":
    from stages.corpora.delimited import read_delimited

    table = read_delimited(path, separator="\t")
    if missing := [name for name in ("sentence1", "sentence2") if name not in table.columns]:
        raise PipelineError(
            f"{path} has no column {' and no column '.join(missing)}; "
            f"it has: {', '.join(table.columns)}.",
            remedy="name the columns sentence1 and sentence2 in the first line.",
        )
    return table.select("sentence1", "sentence2")


def _print_hits(query: str, hits: list[tuple[float, int, str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(title=printable(query), title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    table.add_column("cosine", justify="right", style="cyan")
    table.add_column("row", justify="right", style="dim")
    table.add_column("sentence", overflow="fold")
    for cosine, row, sentence in hits:
        table.add_row(f"{cosine:.3f}", f"{row:,}", printable(sentence))
    OUT.print(table)


def _print_json(query: str, hits: list[tuple[float, int, str]]) -> None:
    for rank, (cosine, row, sentence) in enumerate(hits, start=1):
        record = {"query": query, "rank": rank, "cosine": round(cosine, 6), "row": row}
        sys.stdout.write(json.dumps({**record, "sentence": sentence}, ensure_ascii=False) + "\n")
