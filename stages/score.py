"""Stage ``score``: the language model says how similar premise and answers are.

triplets.parquet + models/llm -> scored.parquet, scoring.json

a = ``entailment_score`` and b = ``contradiction_score``, both in [0, 5]. Triplets whose text is
already unusable (see ``stages.curation.flaws``) are not asked about; their scores stay empty.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.curation.flaws import flaw_expression
from stages.engines.shards import Plan, run_in_shards, source_digest
from stages.language_models.judging import Judgement, judge
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import Instruction, load_prompts
from stages.language_models.protocol import LanguageModel
from stages.language_models.servers.account import accounted, usage_figures
from stages.language_models.servers.settings import Server
from stages.params import ScoreParams, ServerParams
from stages.progress import Progress, silent
from stages.tables import SCORED, TRIPLETS, read_table, write_json, write_table

log = logging.getLogger(__name__)

CODE = (
    "stages.curation.flaws",
    "stages.equations.similarity_scores",
    "stages.language_models.causal",
    "stages.language_models.contrastive_writing",
    "stages.language_models.hosting",
    "stages.language_models.judging",
    "stages.language_models.prefixed_attention",
    "stages.language_models.scripted",
    "stages.language_models.servers.model",
    "stages.language_models.servers.replies",
    "stages.language_models.seq2seq",
    "stages.language_models.tokens",
    "stages.score",
)
"""What shapes a score besides the weights and the method."""
PROMPTS = "few_shot"
"""Prompt set whose first entailment instruction is the paraphrase prompt of ``likelihood``."""
UNSCORED = Judgement(score=None, answer="")


@dataclass(frozen=True)
class Scorer:
    """Everything that turns triplets into scored triplets."""

    model: LanguageModel
    method: str
    instruction: Instruction

    def score(self, triplets: pl.DataFrame) -> pl.DataFrame:
        """Return SCORED for a batch of TRIPLETS."""
        usable = triplets.select(flaw_expression().is_null()).to_series().to_list()
        rows = [row for row, use in zip(triplets.iter_rows(named=True), usable, strict=True) if use]
        pairs = [(row["premise"], row[h]) for row in rows for h in ("entailment", "contradiction")]
        judged = iter(
            judge(self.model, pairs, method=self.method, instruction=self.instruction)
            if pairs
            else []
        )
        both = [(next(judged), next(judged)) if use else (UNSCORED, UNSCORED) for use in usable]
        return triplets.with_columns(
            pl.Series("entailment_score", [a.score for a, _ in both], dtype=pl.Float64),
            pl.Series("contradiction_score", [b.score for _, b in both], dtype=pl.Float64),
            pl.Series("entailment_answer", [a.answer for a, _ in both], dtype=pl.String),
            pl.Series("contradiction_answer", [b.answer for _, b in both], dtype=pl.String),
        )


def run(  # noqa: PLR0913 (one argument a file of the stage)
    params: ScoreParams,
    *,
    server: ServerParams,
    triplets: Path,
    llm: Path,
    scored: Path,
    metrics: Path,
    work: Path,
    progress: Progress = silent,
) -> None:
    """Write ``scored``, all ``triplets`` with both similarities, and count them in ``metrics``."""
    table = read_table(triplets, TRIPLETS)
    model = load_language_model(llm, dtype=params.dtype, server=Server(**server.model_dump()))
    prompts = load_prompts(PROMPTS)
    scorer = Scorer(model, params.method, prompts.entailment[0])
    plan = Plan(
        stage="score",
        facts={
            "method": params.method,
            "model": model.identity,
            "prompts": prompts.digest,
            "code": source_digest(*CODE),
        },
        schema=SCORED,
        shard_rows=params.shard_triplets,
        batch_rows=params.batch_triplets,
    )
    with accounted(model, plan.folder(work, table)):
        result = run_in_shards(table, scorer.score, plan, work=work, progress=progress)
    write_table(result, scored)
    counts = _counts(result)
    write_json({**counts, **usage_figures(model)}, metrics)
    unread = counts["rows"] - counts["scored"]
    log.info("score: %s triplets, %s without a score", f"{counts['rows']:,}", f"{unread:,}")


def _counts(table: pl.DataFrame) -> dict[str, int]:
    """Count the triplets with both scores, those not asked about, and answers without a number."""
    scored = table["entailment_score"].is_not_null() & table["contradiction_score"].is_not_null()
    unasked = table.select(flaw_expression().is_not_null()).to_series()
    counts = {"scored": int(scored.sum()), "not_asked": int(unasked.sum())}
    return {"rows": len(table), **counts, "unreadable": len(table) - sum(counts.values())}
