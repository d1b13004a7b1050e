"""Stage ``score``: the judges say how similar premise and answers are.

triplets.parquet + models/llm, guide, nli -> scored.parquet
                                             scoring.json       counts, usage of a server
                                             calibration.json   how scores came about

a = ``entailment_score`` and b = ``contradiction_score``, both in [0, 5]. Triplets whose text is
already unusable (see ``stages.curation.flaws``) are not asked about, nor does a judge whom
``score.where`` does not name look at those that it rules out; their scores stay empty.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from stages.curation.choosing import Choice, asked_where
from stages.curation.flaws import flaw_expression
from stages.curation.tallies import ScoredTally
from stages.engines.digests import source_digest
from stages.engines.folders import MadeWith, digests_of
from stages.engines.hardware import Hardware
from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine
from stages.engines.shards import RESULTS_AT_ONCE, Plan, Shards
from stages.judges.by_language_model import language_model_of
from stages.judges.combining import READINGS, combined
from stages.judges.loading import Folders, load_judge
from stages.judges.partly import spread
from stages.judges.protocol import Judge, Judgement, record
from stages.language_models.loading import CODE as LANGUAGE_MODEL_CODE
from stages.language_models.loading import computed_with
from stages.language_models.servers.account import accounted, asked_from_here, usage_figures
from stages.language_models.servers.settings import Server
from stages.params import ScoreParams, ServerParams
from stages.progress import Progress, silent
from stages.tables.columns import WRITTEN
from stages.tables.json_files import write_json
from stages.tables.rows import Rows, SomeRows, rows_of
from stages.tables.schemas import SCORED, TRIPLETS
from stages.tables.writing import write_parts

log = logging.getLogger(__name__)

ASKED_CODE = (
    "stages.judges.by_language_model",
    "stages.language_models.judging",
    *LANGUAGE_MODEL_CODE,
)
"""What shapes the scores of the judges that ask the language model; see ``CODE``."""
CODE = {
    "encoder": (
        "stages.encoders.embedding",
        "stages.encoders.loading",
        "stages.encoders.poolers",
        "stages.judges.by_cosine",
    ),
    "nli": ("stages.judges.by_entailment",),
}
"""What shapes each other judge's scores besides its weights and settings, and ``COMMON_CODE``."""
COMMON_CODE = (
    "stages.curation.flaws",
    "stages.curation.steering",
    "stages.equations.similarity_scores",
    "stages.score",
)
UNSCORED = Judgement(score=None, answer="")


def run(  # noqa: PLR0913  as many paths as the stage has files
    params: ScoreParams,
    *,
    server: ServerParams,
    triplets: Path,
    llm: Path,
    guide: Path,
    nli: Path,
    scored: Path,
    metrics: Path,
    calibration: Path,
    work: Path,
    progress: Progress = silent,
    engine: Engine | None = None,
) -> None:
    """Write ``scored``: all ``triplets`` with both similarities; ``metrics`` and ``calibration``.

    ``engine`` makes the shards that are missing. Every judge's finished shards are kept on their
    own: another judge, or another way to combine them, asks none of them again. Those whom
    ``params.where`` names come first. Only one judge is in memory at a time.
    """
    folders = Folders(llm=llm, encoder=guide, nli=nli)
    served = Server(**server.model_dump())
    engine = engine or LocalEngine()
    condition = asked_where(params.where, params.judges)
    first = [name for name in params.judges if condition is None or name in condition.judges]
    opinions: dict[str, Opinion] = {}
    records: dict[str, dict[str, object]] = {}
    usage: dict[str, dict[str, float]] = {}
    with ExitStack() as until_written:
        table = until_written.enter_context(rows_of(triplets, TRIPLETS))
        asked = None
        for name in sorted(params.judges, key=lambda name: name not in first):
            if name not in first and asked is None:
                asked = _asked(params, first, opinions, table)
            scorer = Scorer(name, folders, params.dtype, served, engine.hardware)
            judge = scorer.judge
            plan = _plan(
                judge,
                params,
                files=digests_of(triplets, folders.of(name)),
                model=folders.of(name),
                output=scored,
                hardware=engine.hardware,
            )
            rows = table if asked is None else SomeRows(table, asked)
            shards = until_written.enter_context(Shards(rows, plan, work=work))
            opinions[name] = Opinion(shards, table, asked)
            _ask(scorer, shards, work=work, progress=progress, engine=engine)
            records[name] = record(judge)
            usage |= usage_figures(language_model_of(judge))
            del judge, scorer
        tally = ScoredTally(condition.holds if condition else None)
        parts = _combined({name: opinions[name] for name in params.judges}, params.combine)
        write_parts(parts, scored, SCORED, seen=tally.add)
    how_a, how_b = READINGS[params.combine]
    by_judge = [records[name] for name in params.judges]
    write_json({"judges": by_judge, "combine": {"a": how_a, "b": how_b}}, calibration)
    counts = tally.counts()
    write_json({**counts, **tally.levels(), **usage}, metrics)
    log.info(
        "score: %s triplets; %s not asked about, as %s; %s with an answer that could not be read",
        *(f"{counts['rows']:,}", f"{counts['not_asked']:,}"),
        "their text has a flaw" + (" or score.where does not hold" if params.where else ""),
        f"{counts['unreadable']:,}",
    )


def _ask(
    scorer: "Scorer", opinion: Shards, *, work: Path, progress: Progress, engine: Engine
) -> None:
    """Make the shards of one judge."""
    model = language_model_of(scorer.judge)
    with accounted(model, opinion.folder, work=work):
        maker = asked_from_here(model, engine)
        opinion.make(scorer.score, progress=progress, engine=maker)


@dataclass(frozen=True)
class Opinion:
    """What one judge said of all triplets, or of those that it was asked about.

    Attributes:
        shards: SCORED of those.
        table: All triplets.
        asked: For each of them whether it was asked about; None where all were.
    """

    shards: Shards
    table: Rows
    asked: pl.Series | None

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Yield SCORED of all, some shards at a time, which all judges cut alike."""
        if self.asked is None:
            return iter(self.shards)
        return spread(self.shards, self.table, self.asked, at_once=self.shards.rows_at_once)


def _asked(
    params: ScoreParams, judges: Sequence[str], opinions: Mapping[str, Opinion], table: Rows
) -> pl.Series | None:
    """Return for every triplet whether ``params.where`` holds by what ``judges`` said of it."""
    if params.where is None:
        return None
    holds = Choice(params.where, judges, setting="score.where", combined=False).holds
    parts = _combined(opinions, params.combine) if opinions else table.parts(RESULTS_AT_ONCE)
    found = pl.concat([pl.Series(dtype=pl.Boolean), *map(holds, parts)])
    log.info(
        "score: %s of %s triplets meet score.where, and are asked about further",
        *(f"{count:,}" for count in (found.sum(), len(found))),
    )
    return found


def _combined(opinions: Mapping[str, Opinion], combine: str) -> Iterator[pl.DataFrame]:
    """Yield SCORED some shards at a time."""
    for parts in zip(*opinions.values(), strict=True):
        yield combined(dict(zip(opinions, parts, strict=True)), combine)


@dataclass(frozen=True)
class Scorer:
    """Scores triplets by one judge, which is loaded where it judges; see ``load_judge``."""

    name: str
    folders: Folders
    dtype: str
    server: Server
    hardware: Hardware

    @cached_property
    def judge(self) -> Judge:
        """The judge."""
        return load_judge(
            self.name,
            self.folders,
            dtype=self.dtype,
            server=self.server,
            hardware=self.hardware,
        )

    def __getstate__(self) -> dict[str, object]:
        """Return what travels to another machine: everything but the loaded judge."""
        return {name: value for name, value in vars(self).items() if name != "judge"}

    def score(self, triplets: pl.DataFrame) -> pl.DataFrame:
        """Return SCORED for a batch of TRIPLETS."""
        return _scored(triplets, self.judge)


def _plan(
    judge: Judge,
    params: ScoreParams,
    *,
    files: Mapping[str, str],
    model: Path,
    output: Path,
    hardware: Hardware,
) -> Plan:
    asked = language_model_of(judge)
    code = (*(CODE[judge.name] if asked is None else ASKED_CODE), *COMMON_CODE)
    where = hardware.surroundings() if asked is None else computed_with(asked, hardware)
    told = MadeWith(settings=_settings(judge, params), files=files, code=code, surroundings=where)
    return Plan(
        stage="score",
        facts={
            "judge": judge.name,
            **judge.facts,
            "weights": files[model.as_posix()],
            "computed with": where,
            "code": source_digest(*code),
        },
        schema=SCORED,
        shard_rows=params.shard_triplets,
        batch_rows=params.batch_triplets,
        alike="premise",
        made_with=told,
        output=output,
        models={model.as_posix(): files[model.as_posix()]},
    )


def _settings(judge: Judge, params: ScoreParams) -> dict[str, object]:
    """Return the settings that shape what this judge alone says."""
    others = {"judges", "combine", "where", "batch_triplets"}
    mine = others | {"dtype"} if language_model_of(judge) is None else others
    return params.by_key("score", without=mine)


def _scored(triplets: pl.DataFrame, judge: Judge) -> pl.DataFrame:
    """Return SCORED for a batch of TRIPLETS."""
    usable = triplets.select(_usable()).to_series().to_list()
    rows = [row for row, use in zip(triplets.iter_rows(named=True), usable, strict=True) if use]
    pairs = [(row["premise"], row[h]) for row in rows for h in WRITTEN]
    judged = iter(judge.judge(pairs) if pairs else [])
    both = [(next(judged), next(judged)) if use else (UNSCORED, UNSCORED) for use in usable]
    return triplets.with_columns(
        pl.Series("entailment_score", [a.score for a, _ in both], dtype=pl.Float64),
        pl.Series("contradiction_score", [b.score for _, b in both], dtype=pl.Float64),
        pl.Series("entailment_answer", [a.answer for a, _ in both], dtype=pl.String),
        pl.Series("contradiction_answer", [b.answer for _, b in both], dtype=pl.String),
        pl.Series("entailment_scores", [[a.score] for a, _ in both], dtype=pl.List(pl.Float64)),
        pl.Series("contradiction_scores", [[b.score] for _, b in both], dtype=pl.List(pl.Float64)),
    )


def _usable() -> pl.Expr:
    return flaw_expression().is_null()
