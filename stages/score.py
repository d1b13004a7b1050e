"""Stage ``score``: the judges say how similar premise and answers are.

triplets.parquet + models/llm, guide, nli -> scored.parquet
                                             calibration.json   how scores came about

a = ``entailment_score`` and b = ``contradiction_score``, both in [0, 5]. Triplets whose text is
already unusable (see ``stages.curation.flaws``) are not asked about; their scores stay empty.
"""

import logging
from pathlib import Path

import polars as pl

from stages.curation.flaws import flaw_expression
from stages.engines.shards import Plan, run_in_shards, source_digest
from stages.judges.combining import READINGS, combined
from stages.judges.loading import Folders, load_judge
from stages.judges.protocol import Judge, Judgement, record
from stages.params import ScoreParams
from stages.progress import Progress, silent
from stages.tables import SCORED, TRIPLETS, read_table, write_json, write_table

log = logging.getLogger(__name__)

CODE = {
    "llm": (
        "stages.judges.by_language_model",
        "stages.language_models.causal",
        "stages.language_models.hosting",
        "stages.language_models.judging",
        "stages.language_models.prefixed_attention",
        "stages.language_models.scripted",
    ),
    "encoder": ("stages.encoders.embedding", "stages.judges.by_cosine"),
    "nli": ("stages.judges.by_entailment",),
}
"""What shapes each judge's scores besides its weights and settings, and ``COMMON_CODE``."""
COMMON_CODE = ("stages.curation.flaws", "stages.equations.similarity_scores", "stages.score")
UNSCORED = Judgement(score=None, answer="")


def run(  # noqa: PLR0913  as many paths as the stage has files
    params: ScoreParams,
    *,
    triplets: Path,
    llm: Path,
    guide: Path,
    nli: Path,
    scored: Path,
    calibration: Path,
    work: Path,
    progress: Progress = silent,
) -> None:
    """Write ``scored``: all ``triplets`` with both similarities; and ``calibration``.

    Every judge's finished shards are kept on their own: another judge, or another way to combine
    them, asks none of them again. Only one judge is in memory at a time.
    """
    table = read_table(triplets, TRIPLETS)
    folders = Folders(llm=llm, encoder=guide, nli=nli)
    opinions: dict[str, pl.DataFrame] = {}
    records = []
    for name in params.judges:
        judge = load_judge(name, folders, method=params.method, dtype=params.dtype)
        opinions[name] = _opinion(judge, table, params, work=work, progress=progress)
        records.append(record(judge))
        del judge
    result = combined(opinions, params.combine)
    write_table(result, scored)
    how_a, how_b = READINGS[params.combine]
    write_json({"judges": records, "combine": {"a": how_a, "b": how_b}}, calibration)
    _log_counts(result)


def _opinion(
    judge: Judge, table: pl.DataFrame, params: ScoreParams, *, work: Path, progress: Progress
) -> pl.DataFrame:
    """Return SCORED as this judge alone would have it."""
    plan = Plan(
        stage="score",
        facts={
            "judge": judge.name,
            **judge.facts,
            "code": source_digest(*CODE[judge.name], *COMMON_CODE),
        },
        schema=SCORED,
        shard_rows=params.shard_triplets,
        batch_rows=params.batch_triplets,
    )
    return run_in_shards(
        table, lambda batch: _scored(batch, judge), plan, work=work, progress=progress
    )


def _scored(triplets: pl.DataFrame, judge: Judge) -> pl.DataFrame:
    """Return SCORED for a batch of TRIPLETS."""
    usable = triplets.select(_usable()).to_series().to_list()
    rows = [row for row, use in zip(triplets.iter_rows(named=True), usable, strict=True) if use]
    pairs = [(row["premise"], row[h]) for row in rows for h in ("entailment", "contradiction")]
    judged = iter(judge.judge(pairs) if pairs else [])
    both = [(next(judged), next(judged)) if use else (UNSCORED, UNSCORED) for use in usable]
    return triplets.with_columns(
        pl.Series("entailment_score", [a.score for a, _ in both], dtype=pl.Float64),
        pl.Series("contradiction_score", [b.score for _, b in both], dtype=pl.Float64),
        pl.Series("entailment_answer", [a.answer for a, _ in both], dtype=pl.String),
        pl.Series("contradiction_answer", [b.answer for _, b in both], dtype=pl.String),
    )


def _usable() -> pl.Expr:
    return flaw_expression().is_null()


def _log_counts(scored: pl.DataFrame) -> None:
    asked = scored.filter(_usable())
    unread = asked["entailment_score"].is_null() | asked["contradiction_score"].is_null()
    log.info(
        "score: %s triplets; %s not asked about, as their text has a flaw; %s with an answer that "
        "could not be read",
        *(f"{count:,}" for count in (len(scored), len(scored) - len(asked), int(unread.sum()))),
    )
