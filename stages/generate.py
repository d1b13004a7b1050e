"""Stage ``generate``: for every sentence, write one that follows and one that contradicts.

sentences.parquet + models/llm -> triplets.parquet, generation.json
(labelled.parquet + models/guide: examples shown before the question, where asked for)

Contrastive generation (MultiCSR, section 3.1): each answer is written under its instruction and
away from the opposite one. The opposite of the entailment prompt is the contradiction prompt, so
two prompts a sentence serve four branches.
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from stages.curation.tallies import WrittenTally
from stages.engines.digests import source_digest
from stages.engines.folders import MadeWith, digests_of
from stages.engines.local import LocalEngine
from stages.engines.protocol import Engine
from stages.engines.shards import Plan, Shards
from stages.errors import PipelineError
from stages.language_models.demonstrating import RowsWithExamples, places_of
from stages.language_models.loading import CODE as LANGUAGE_MODEL_CODE
from stages.language_models.loading import computed_with, language_model_at
from stages.language_models.prompts import PromptSet, load_prompts
from stages.language_models.protocol import Decoding
from stages.language_models.servers.account import accounted, asked_from_here, usage_figures
from stages.language_models.servers.settings import Server
from stages.language_models.triplet_writing import TripletWriter
from stages.params import GenerateParams, ServerParams
from stages.progress import Progress, silent
from stages.tables.json_files import write_json
from stages.tables.reading import read_table
from stages.tables.rows import Rows, rows_of
from stages.tables.schemas import LABELLED, SENTENCES, TRIPLETS
from stages.tables.writing import write_parts

log = logging.getLogger(__name__)

CODE = (
    *LANGUAGE_MODEL_CODE,
    "stages.language_models.demonstrating",
    "stages.language_models.prompts",
    "stages.language_models.triplet_writing",
    "stages.generate",
)
"""What shapes an answer besides weights, prompts and settings."""
CHOSEN_AT_ONCE = 4096
"""Sentences whose vectors are in memory while examples are chosen for them."""


def run(  # noqa: PLR0913 (one argument a file of the stage)
    params: GenerateParams,
    *,
    server: ServerParams,
    sentences: Path,
    labelled: Path,
    llm: Path,
    guide: Path,
    triplets: Path,
    metrics: Path,
    work: Path,
    progress: Progress = silent,
    engine: Engine | None = None,
) -> None:
    """Write ``triplets`` for all ``sentences``, and count them in ``metrics``.

    Finished shards under ``work`` are not redone; ``engine`` makes the others.
    """
    engine = engine or LocalEngine()
    model = language_model_at(
        llm, engine.hardware, dtype=params.dtype, server=Server(**server.model_dump())
    )
    prompts = load_prompts(params.prompts)
    writer = TripletWriter(
        model=model,
        prompts=prompts,
        noisy=params.noisy,
        chat=params.chat,
        samples=params.samples,
        decoding=Decoding(**params.model_dump(include=set(Decoding.__dataclass_fields__))),
    )
    models = digests_of(llm)
    where = computed_with(model, engine.hardware)
    plan = Plan(
        stage="generate",
        facts={
            **writer.facts,
            "weights": models[llm.as_posix()],
            "computed with": where,
            "code": source_digest(*CODE),
        },
        schema=TRIPLETS,
        shard_rows=params.shard_premises,
        batch_rows=params.batch_premises,
        alike="sentence",
        results_each=params.samples,
        made_with=MadeWith(
            settings=params.by_key("generate", without={"batch_premises"}),
            files=digests_of(*_read(params, sentences, labelled, guide)) | models,
            code=CODE,
            surroundings=where,
        ),
        output=triplets,
        models=models,
    )
    with rows_of(sentences, SENTENCES) as table:
        rows = _with_examples(params, table, labelled, guide, prompts, progress)
        with Shards(rows, plan, work=work) as shards:
            with accounted(model, shards.folder, work=work):
                maker = asked_from_here(model, engine)
                shards.make(writer.write, progress=progress, engine=maker)
            tally = WrittenTally()
            write_parts(shards, triplets, TRIPLETS, seen=tally.add)
    shown = {"demonstrated": rows.demonstrated} if isinstance(rows, RowsWithExamples) else {}
    counts = tally.counts()
    write_json({**counts, **shown, **tally.closeness(), **usage_figures(model)}, metrics)
    log.info(
        "generate: wrote %s triplets, %s of them to the end",
        *(f"{counts[what]:,}" for what in ("rows", "finished")),
    )


def _read(params: GenerateParams, sentences: Path, labelled: Path, guide: Path) -> list[Path]:
    """Return what is read besides the language model."""
    prompts = [Path(params.prompts)] if Path(params.prompts).is_file() else []
    return [sentences, *prompts, *([labelled, guide] if params.demonstrations else [])]


def _with_examples(
    params: GenerateParams,
    sentences: Rows,
    labelled: Path,
    guide: Path,
    prompts: PromptSet,
    progress: Progress,
) -> Rows:
    """Choose, by the guide's cosine, what people wrote for premises like each sentence.

    The paper's Appendix G: the L most similar labelled examples with a cosine of at least lambda.
    They are chosen here, whatever engine makes the shards, and all of them before the first.
    """
    if not params.demonstrations:
        return sentences
    # They take seconds to load, and few runs show demonstrations.
    from stages.encoders.loading import load_encoder
    from stages.encoders.neighbours import Neighbours

    pool = _pool(params, labelled, prompts)
    premises = Neighbours(load_encoder(guide), pool["premise"].to_list(), progress=progress)

    def chosen() -> Iterator[Sequence[int]]:
        with progress("Choosing examples", total=len(sentences), unit="sentences") as advance:
            for part in sentences.parts(CHOSEN_AT_ONCE):
                yield from premises.most_similar(
                    part["sentence"].to_list(),
                    count=params.demonstrations,
                    least_cosine=params.demonstration_cosine,
                )
                advance(len(part))

    places = places_of(chosen(), rows=len(sentences), most=params.demonstrations)
    return RowsWithExamples(sentences, pool, places)


def _pool(params: GenerateParams, labelled: Path, prompts: PromptSet) -> pl.DataFrame:
    pool = read_table(labelled, LABELLED)
    if pool.is_empty():
        raise PipelineError(
            f"generate.demonstrations = {params.demonstrations}, but {labelled} holds no triplet.",
            remedy="name a file of labelled triplets in prepare.labelled, or set it to 0.",
        )
    for instruction in (*prompts.entailment, *prompts.contradiction):
        if not instruction.example:
            raise PipelineError(
                f"generate.demonstrations = {params.demonstrations}, but the instruction "
                f"{instruction.name!r} of prompts {params.prompts} does not say how to show one.",
                remedy="add a text `example` with {sentence} and {answer} to it.",
            )
    return pool
