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

REMEDIES = {
    "empty": "try other generate.prompts, or a greater language model (models.llm).",
    "unfinished": "raise generate.max_new_tokens.",
    "prompt_leftover": "try other generate.prompts, or a greater language model (models.llm).",
    "steers_judge": "look at the sentences (`multicsr inspect --reason steers_judge`): they hold "
    "instructions to a judge.",
    "copies_premise": "raise generate.temperature or generate.omega.",
    "contradiction_repeats_entailment": "raise generate.temperature or generate.omega.",
    "score_unreadable": "set another score.method; likelihood always gives a number.",
    "entailment_too_far": "lower curate.alpha in params.yaml to suit these scores.",
    "contradiction_too_near": "raise curate.beta in params.yaml to suit these scores.",
    "gap_too_small": "lower curate.gamma in params.yaml to suit these scores.",
    "outdone": "raise curate.triplets_per_premise.",
}
"""What to try first when a reason rejects everything."""
QUANTILES = {"least": 0.0, "10%": 0.1, "half": 0.5, "90%": 0.9, "greatest": 1.0}


def run(
    params: CurateParams, *, scored: Path, curated: Path, rejected: Path, metrics: Path
) -> None:
    """Split ``scored`` into ``curated`` and ``rejected``, and count both in ``metrics``.

    Raises:
        PipelineError: When not one triplet is left to train on; nothing is written then.
    """
    table = judged(read_table(scored, SCORED), **params.model_dump())
    kept = table.filter(pl.col("reason").is_null()).drop("reason")
    dropped = table.filter(pl.col("reason").is_not_null())
    if kept.is_empty():
        raise _nothing_kept(table, scored)
    write_table(kept, curated)
    write_table(dropped.select(REJECTED.keys()), rejected)
    write_json(_counts(table, kept), metrics)
    log.info(
        "curate: kept %s of %s triplets%s",
        f"{len(kept):,}",
        f"{len(table):,}",
        f" ({_told(_reasons(table))})" if len(dropped) else "",
    )


def _counts(table: pl.DataFrame, kept: pl.DataFrame) -> dict[str, object]:
    return {
        "generated": len(table),
        "kept": len(kept),
        "rejected": len(table) - len(kept),
        "kept_ratio": round(len(kept) / len(table), 6),
        "reasons": _reasons(table),
    }


def _reasons(table: pl.DataFrame) -> dict[str, int]:
    """Count the rejected rows by reason, the most frequent first."""
    counted = table["reason"].drop_nulls().value_counts()
    return dict(counted.sort("count", "reason", descending=[True, False]).iter_rows())


def _told(reasons: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in reasons.items())


def _nothing_kept(table: pl.DataFrame, scored: Path) -> PipelineError:
    if table.is_empty():
        return PipelineError(
            f"{scored} holds no triplets.",
            remedy="see what prepare and generate made of the input.",
        )
    reasons = _reasons(table)
    lines = [
        f"curation rejected all {len(table):,} triplets of {scored}: {_told(reasons)}.",
        *_quantiles(table, "a (premise and entailment)", "entailment_score"),
        *_quantiles(table, "b (premise and contradiction)", "contradiction_score"),
    ]
    return PipelineError("\n".join(lines), remedy=REMEDIES[next(iter(reasons))])


def _quantiles(table: pl.DataFrame, name: str, column: str) -> list[str]:
    """Describe the scores that could be read in one line; in none where there are none."""
    scores = table[column].drop_nulls()
    scores = scores.filter(scores.is_finite())
    if scores.is_empty():
        return []
    at = {word: scores.quantile(share, "nearest") for word, share in QUANTILES.items()}
    told = ", ".join(f"{word} {value:.2f}" for word, value in at.items())
    return [f"    {name}, {len(scores):,} scores: {told}"]
