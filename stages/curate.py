"""Stage ``curate``: keep the triplets the language model itself vouches for.

scored.parquet -> curated.parquet   the triplets that pass every rule
                  rejected.parquet  all others, each with its ``reason``

Arithmetic only, so thresholds can be swept without asking the language model again.
"""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from stages.curation.choosing import EACH, asked_where, choice_of
from stages.curation.rules import JUDGED, reasons_of, swapped
from stages.errors import PipelineError
from stages.params import CurateParams, ScoreParams
from stages.progress import Progress, silent
from stages.tables.json_files import write_json
from stages.tables.reading import count_rows, table_batches
from stages.tables.schemas import CURATED, REJECTED, SCORED
from stages.tables.writing import writing_table

log = logging.getLogger(__name__)

REMEDIES = {
    "empty": "try other generate.prompts, or a greater language model (models.llm).",
    "unfinished": "raise generate.max_new_tokens.",
    "prompt_leftover": "try other generate.prompts, or a greater language model (models.llm).",
    "steers_judge": "look at the sentences (`multicsr inspect --reason steers_judge`): they hold "
    "instructions to a judge.",
    "copies_premise": "raise generate.temperature or generate.omega.",
    "contradiction_repeats_entailment": "raise generate.temperature or generate.omega.",
    "not_asked": "loosen score.where in params.yaml to suit the scores of the judges it looks at.",
    "score_unreadable": "set other score.judges; likelihood always gives a number.",
    "entailment_too_far": "lower curate.alpha in params.yaml to suit these scores.",
    "contradiction_too_near": "raise curate.beta in params.yaml to suit these scores.",
    "gap_too_small": "lower curate.gamma in params.yaml to suit these scores.",
    "condition_not_met": "loosen curate.where in params.yaml to suit these scores.",
    "outdone": "raise curate.triplets_per_premise.",
}
"""What to try first when a reason rejects everything."""
SCORES = {
    "entailment_score": "a (premise and entailment)",
    "contradiction_score": "b (premise and contradiction)",
}
QUANTILES = {"least": 0.0, "10%": 0.1, "half": 0.5, "90%": 0.9, "greatest": 1.0}


def run(
    params: CurateParams,
    *,
    judging: ScoreParams,
    scored: Path,
    curated: Path,
    rejected: Path,
    metrics: Path,
    progress: Progress = silent,
) -> None:
    """Split ``scored`` into ``curated`` and ``rejected``, and count both in ``metrics``.

    The table is read twice, some rows at a time: a premise's samples may stand anywhere in it.

    Args:
        params: The rules.
        judging: How ``scored`` came about.
        scored: SCORED.
        curated: Becomes CURATED.
        rejected: Becomes REJECTED.
        metrics: Becomes the counts.
        progress: Is told of every row.

    Raises:
        PipelineError: When not one triplet is left to train on, or a condition is none on these
            columns; nothing is written then.
    """
    rules = params.model_dump(exclude={"swap_reversed", "where"})
    rules["where"] = choice_of(params.where, judging.judges)
    asked = asked_where(judging.where, judging.judges)
    rules["asked"] = asked.holds if asked else None
    columns = (*JUDGED, *EACH) if rules["where"] or asked else JUDGED
    rows = count_rows(scored, SCORED)
    with progress("judging triplets", total=2 * rows, unit="rows") as advance:
        parts = partial(_parts, scored, swap=params.swap_reversed, advance=advance)
        reasons = reasons_of(parts(columns=columns), **rules)
        if not reasons.null_count():
            raise _nothing_kept(reasons, parts(columns=JUDGED), scored)
        _split(parts(), reasons, curated=curated, rejected=rejected)
    counts = _counts(reasons)
    write_json(counts, metrics)
    told = _told(_reasons(reasons))
    log.info(
        "curate: kept %s of %s triplets%s",
        *(f"{counts[name]:,}" for name in ("kept", "generated")),
        f" ({told})" if told else "",
    )


def _parts(
    scored: Path,
    *,
    swap: bool,
    advance: Callable[[int], None],
    columns: Collection[str] | None = None,
) -> Iterator[pl.DataFrame]:
    for part in table_batches(scored, SCORED, columns=columns):
        yield swapped(part) if swap else part
        advance(len(part))


def _split(
    parts: Iterable[pl.DataFrame], reasons: pl.Series, *, curated: Path, rejected: Path
) -> None:
    with writing_table(curated, CURATED) as kept, writing_table(rejected, REJECTED) as dropped:
        start = 0
        for part in parts:
            reason = reasons.slice(start, len(part))
            kept.write(part.filter(reason.is_null()))
            told = part.with_columns(reason.cast(pl.String)).filter(reason.is_not_null())
            dropped.write(told)
            start += len(part)


def _counts(reasons: pl.Series) -> dict[str, Any]:
    kept = reasons.null_count()
    return {
        "generated": len(reasons),
        "kept": kept,
        "rejected": len(reasons) - kept,
        "kept_ratio": round(kept / len(reasons), 6),
        "reasons": _reasons(reasons),
    }


def _reasons(reasons: pl.Series) -> dict[str, int]:
    """Count the rejected rows by reason, the most frequent first."""
    counted = reasons.cast(pl.String).drop_nulls().value_counts()
    return dict(counted.sort("count", "reason", descending=[True, False]).iter_rows())


def _told(reasons: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in reasons.items())


def _nothing_kept(reasons: pl.Series, parts: Iterable[pl.DataFrame], scored: Path) -> PipelineError:
    if reasons.is_empty():
        return PipelineError(
            f"{scored} holds no triplets.",
            remedy="see what prepare and generate made of the input.",
        )
    found = _reasons(reasons)
    scores = pl.concat([part.select(*SCORES) for part in parts])
    lines = [
        f"curation rejected all {len(reasons):,} triplets of {scored}: {_told(found)}.",
        *(line for column, name in SCORES.items() for line in _quantiles(scores[column], name)),
    ]
    return PipelineError("\n".join(lines), remedy=REMEDIES[next(iter(found))])


def _quantiles(scores: pl.Series, name: str) -> list[str]:
    """Describe the scores that could be read in one line; in none where there are none."""
    scores = scores.drop_nulls()
    scores = scores.filter(scores.is_finite())
    if scores.is_empty():
        return []
    at = {word: scores.quantile(share, "nearest") for word, share in QUANTILES.items()}
    told = ", ".join(f"{word} {value:.2f}" for word, value in at.items())
    return [f"    {name}, {len(scores):,} scores: {told}"]
