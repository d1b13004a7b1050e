"""Stage ``curate``: keep the triplets the language model itself vouches for.

scored.parquet -> curated.parquet   the triplets that pass every rule
                  rejected.parquet  all others, each with its ``reason``

Arithmetic only, so thresholds can be swept without asking the language model again.
"""

import logging
from pathlib import Path

import polars as pl

from stages.curation.rules import judged
from stages.errors import PipelineError
from stages.params import CurateParams
from stages.tables import REJECTED, SCORED, read_table, write_json, write_table

log = logging.getLogger(__name__)


def run(
    params: CurateParams, *, scored: Path, curated: Path, rejected: Path, metrics: Path
) -> None:
    """Split ``scored`` into ``curated`` and ``rejected``, and count both in ``metrics``."""
    table = judged(read_table(scored, SCORED), **params.model_dump())
    kept = table.filter(pl.col("reason").is_null()).drop("reason")
    dropped = table.filter(pl.col("reason").is_not_null())
    if kept.is_empty():
        raise _nothing_kept(table, scored)
    write_table(kept, curated)
    write_table(dropped.select(REJECTED.keys()), rejected)
    write_json(_counts(table, kept), metrics)
    log.info("curate: kept %s of %s triplets", f"{len(kept):,}", f"{len(table):,}")


def _counts(table: pl.DataFrame, kept: pl.DataFrame) -> dict[str, object]:
    return {
        "generated": len(table),
        "kept": len(kept),
        "rejected": len(table) - len(kept),
        "kept_ratio": round(len(kept) / len(table), 6),
        "reasons": _reasons(table),
    }


def _reasons(table: pl.DataFrame) -> dict[str, int]:
    counted = table["reason"].drop_nulls().value_counts().sort("count", "reason", descending=True)
    return dict(counted.iter_rows())


def _nothing_kept(table: pl.DataFrame, scored: Path) -> PipelineError:
    reasons = ", ".join(f"{name} {count:,}" for name, count in _reasons(table).items())
    middle = {
        letter: table[column].drop_nulls().median()
        for letter, column in (("a", "entailment_score"), ("b", "contradiction_score"))
    }
    scores = ", ".join(f"median {k} {v:.2f}" for k, v in middle.items() if isinstance(v, float))
    return PipelineError(
        f"curation rejected all {len(table):,} triplets of {scored} ({reasons or 'no rows'}"
        f"{'; ' + scores if scores else ''}).",
        remedy="loosen curate.* in params.yaml, or look at the scores: "
        "multicsr inspect --rejected.",
    )
