"""`multicsr inspect --masked`: the pairs that the guide hides from one another."""

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.console import OUT, progress
from cli.options import work_folder
from cli.wording import printable
from stages.errors import PipelineError
from stages.tables.columns import WRITTEN

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger(__name__)

SHOWN = 20


@dataclass(frozen=True)
class Wanted:
    """Which pairs are asked for, and where everything lies."""

    data: Path
    guide: Path
    params: Path
    work: Path | None
    sigma: float | None
    contains: str | None
    id_: str | None
    limit: int | None
    json_lines: bool


def show_masked_pairs(wanted: Wanted) -> None:
    """Print the pairs and, at the end, how many there are and how many meet in a batch.

    Raises:
        PipelineError: When a file is missing or the guide does not load.
    """
    from stages.params_file import load_params
    from stages.training.guide import guide_vectors
    from stages.training.masked import masked_pairs, masked_share

    train = load_params(wanted.params).train
    sigma = train.sigma if wanted.sigma is None else wanted.sigma
    triplets = _triplets(wanted.data)
    vectors = guide_vectors(
        work_folder(wanted.work),
        wanted.guide,
        triplets,
        pooler=train.guide_pooler,
        template=train.template,
        progress=progress,
    )
    with progress("Comparing", total=len(triplets), unit="premises") as advance:
        found = masked_pairs(vectors, sigma=sigma, advance=advance)
    if found.pairs.is_empty():
        log.info(
            "no pair is masked: of %s triplets, no premise and foreign candidate reach "
            "sigma = %g; the nearest have a cosine of %.4f",
            *(f"{len(triplets):,}", sigma, found.greatest),
        )
        return
    rows = _matching(_with_texts(found.pairs, triplets), wanted)
    shown = rows.head(wanted.limit or (len(rows) if wanted.json_lines else SHOWN))
    for row in shown.iter_rows(named=True):
        _print(row, json_lines=wanted.json_lines)
    batch = train.batch_triplets
    share, batches = masked_share(vectors, sigma=sigma, batch=batch, seed=train.seed)
    log.info(
        "%s shown of %s matching, of %s masked pairs (sigma = %g); in %s random batches of %s "
        "triplets %.4f %% of the foreign candidates are masked",
        *(f"{len(shown):,}", f"{len(rows):,}", f"{len(found.pairs):,}", sigma),
        *(batches, min(batch, len(triplets)), 100 * share),
    )


def refuse_other_filters(given: dict[str, bool]) -> None:
    """Raise when filters for kept and rejected rows are asked for together with --masked.

    Raises:
        PipelineError: It names them.
    """
    if names := [name for name, value in given.items() if value]:
        raise PipelineError(
            f"--masked shows pairs, to which {', '.join(names)} do not apply.",
            remedy="leave them out; --contains, --id, --limit, --sigma and --json do apply.",
        )


def _triplets(data: Path) -> "pl.DataFrame":
    """Return what stage train trains on, in its order: the curated, then the labelled triplets."""
    import polars as pl

    from stages.tables.reading import read_table
    from stages.tables.schemas import CURATED, LABELLED

    curated = read_table(data / "curated.parquet", CURATED).select(LABELLED.keys())
    labelled = data / "labelled.parquet"
    people = [read_table(labelled, LABELLED)] if labelled.is_file() else []
    return pl.concat([curated, *people])


def _with_texts(pairs: "pl.DataFrame", triplets: "pl.DataFrame") -> "pl.DataFrame":
    """Replace the numbers of triplets by what is said there."""
    import polars as pl

    candidates = {name: triplets[name].gather(pairs["candidate"]) for name in WRITTEN}
    return pl.DataFrame(
        {
            "cosine": pairs["cosine"],
            "premise_id": triplets["id"].gather(pairs["premise"]),
            "premise": triplets["premise"].gather(pairs["premise"]),
            "column": pairs["column"],
            "candidate_id": triplets["id"].gather(pairs["candidate"]),
            **candidates,
        }
    ).select(
        "cosine",
        "premise_id",
        "premise",
        "column",
        "candidate_id",
        candidate=pl.when(pl.col("column") == "entailment")
        .then("entailment")
        .otherwise("contradiction"),
    )


def _matching(rows: "pl.DataFrame", wanted: Wanted) -> "pl.DataFrame":
    import polars as pl

    if wanted.contains is not None:
        text = wanted.contains.lower()
        both = (pl.col(name).str.to_lowercase() for name in ("premise", "candidate"))
        rows = rows.filter(pl.any_horizontal(one.str.contains(text, literal=True) for one in both))
    if wanted.id_ is not None:
        ids = (pl.col(name).str.starts_with(wanted.id_) for name in ("premise_id", "candidate_id"))
        rows = rows.filter(pl.any_horizontal(ids))
    return rows


def _print(row: dict[str, Any], *, json_lines: bool) -> None:
    if json_lines:
        record = {**row, "cosine": round(row["cosine"], 6)}
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")
        return
    from rich.text import Text

    for line in _lines(row):
        OUT.print(Text(line))


def _lines(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['cosine']:.4f}  {row['column']} of {printable(row['candidate_id'])}"
    yield f"  premise    {printable(row['premise'])}"
    yield f"  candidate  {printable(row['candidate'])}"
    yield ""
