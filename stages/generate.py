"""Stage ``generate``: for every sentence, write one that follows and one that contradicts.

sentences.parquet + models/llm -> triplets.parquet, generation.json
(labelled.parquet + models/guide: examples shown before the question, where asked for)

Contrastive generation (MultiCSR, section 3.1): each answer is written under its instruction and
away from the opposite one. The opposite of the entailment prompt is the contradiction prompt, so
two prompts a sentence serve four branches.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import polars as pl

from stages.curation.closeness import closeness
from stages.encoders.loading import load_encoder
from stages.encoders.neighbours import most_similar
from stages.engines.shards import Plan, run_in_shards, source_digest
from stages.errors import PipelineError
from stages.language_models.loading import CODE as LANGUAGE_MODEL_CODE
from stages.language_models.loading import load_language_model
from stages.language_models.prompts import (
    HYPOTHESES,
    Example,
    Instruction,
    PromptSet,
    Shown,
    load_prompts,
    noisy_prompt,
)
from stages.language_models.protocol import Decoding, LanguageModel, Request
from stages.language_models.servers.account import accounted, usage_figures
from stages.language_models.servers.settings import Server
from stages.params import GenerateParams, ServerParams
from stages.progress import Progress, silent
from stages.tables import LABELLED, SENTENCES, TRIPLETS, read_table, write_json, write_table

log = logging.getLogger(__name__)

CODE = (*LANGUAGE_MODEL_CODE, "stages.language_models.prompts", "stages.generate")
"""What shapes an answer besides weights, prompts and settings."""


Demonstrations = Mapping[str, Sequence[Mapping[str, str]]]
"""Labelled triplets to show, the nearest last, by the id of the sentence they are shown for."""


class Row(NamedTuple):
    """A triplet to be written."""

    id: str
    sentence: str
    sample: int

    def key(self, hypothesis: str) -> str:
        """Name the random numbers of an answer; those of the first sample go by no number."""
        return "/".join([self.id, hypothesis, *([str(self.sample)] if self.sample else [])])


@dataclass(frozen=True)
class Writer:
    """Everything that turns sentences into triplets."""

    model: LanguageModel
    prompts: PromptSet
    noisy: str
    """Kind of the noisy instruction, see ``noisy_prompt``."""
    chat: bool
    """Whether prompts stand in the model's chat template."""
    samples: int
    """Triplets a sentence: its prompts are read once for all of them."""
    decoding: Decoding
    labelled: Demonstrations
    """Examples of each sentence, by its id."""

    def write(self, sentences: pl.DataFrame) -> pl.DataFrame:
        """Return TRIPLETS for a batch of SENTENCES: ``samples`` rows a sentence, side by side."""
        rows = [
            Row(key, sentence, sample)
            for key, sentence in sentences.select("id", "sentence").iter_rows()
            for sample in range(self.samples)
        ]
        drawn = {kind: [self._draw(kind, row.id) for row in rows] for kind in HYPOTHESES}
        entailment, contradiction = drawn["entailment"], drawn["contradiction"]
        requests = [
            *map(self._request, rows, entailment, contradiction, ["entailment"] * len(rows)),
            *map(self._request, rows, contradiction, entailment, ["contradiction"] * len(rows)),
        ]
        answers = self.model.write(requests, self.decoding)
        positive, negative = answers[: len(rows)], answers[len(rows) :]
        return pl.DataFrame(
            {
                "id": [row.id for row in rows],
                "sample": [row.sample for row in rows],
                "premise": [row.sentence for row in rows],
                "entailment": [answer.text for answer in positive],
                "contradiction": [answer.text for answer in negative],
                "entailment_instruction": [instruction.name for instruction in entailment],
                "contradiction_instruction": [instruction.name for instruction in contradiction],
                "entailment_finished": [answer.finished for answer in positive],
                "contradiction_finished": [answer.finished for answer in negative],
            },
            schema=TRIPLETS,
        )

    def _draw(self, hypothesis: str, key: str) -> Instruction:
        return self.prompts.draw(hypothesis, seed=self.decoding.seed, key=key)

    def _request(
        self, row: Row, instruction: Instruction, other: Instruction, hypothesis: str
    ) -> Request:
        opposite_of = dict(zip(HYPOTHESES, reversed(HYPOTHESES), strict=True))
        wanted = self._shown(row, instruction, hypothesis)
        opposite = self._shown(row, other, opposite_of[hypothesis])
        told, noisy = wanted.prompt(row.sentence), None
        if self.decoding.omega != 0:
            noisy = noisy_prompt(self.noisy, row.sentence, wanted=wanted, opposite=opposite)
            noisy = replace(noisy, chat=self.chat)
        return Request(replace(told, chat=self.chat), noisy, key=row.key(hypothesis))

    def _shown(self, row: Row, instruction: Instruction, hypothesis: str) -> Shown:
        found = self.labelled.get(row.id, ())
        return Shown(instruction, [Example(one["premise"], one[hypothesis]) for one in found])


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
) -> None:
    """Write ``triplets`` for all ``sentences``, and count them in ``metrics``.

    Finished shards under ``work`` are not redone.
    """
    table = read_table(sentences, SENTENCES)
    decoding = Decoding(**params.model_dump(include=set(Decoding.__dataclass_fields__)))
    model = load_language_model(llm, dtype=params.dtype, server=Server(**server.model_dump()))
    prompts = load_prompts(params.prompts)
    shown = _demonstrations(params, table, labelled, guide, prompts, progress)
    writer = Writer(model, prompts, params.noisy, params.chat, params.samples, decoding, shown)
    plan = Plan(
        stage="generate",
        facts={
            "decoding": asdict(decoding),
            "model": model.identity,
            "prompts": prompts.digest,
            "noisy": params.noisy,
            "chat": params.chat,
            "samples": params.samples,
            "demonstrations": shown,
            "code": source_digest(*CODE),
        },
        schema=TRIPLETS,
        shard_rows=params.shard_premises,
        batch_rows=params.batch_premises,
        alike="sentence",
        results_each=params.samples,
    )
    with accounted(model, plan.folder(work, table)):
        result = run_in_shards(table, writer.write, plan, work=work, progress=progress)
    write_table(result, triplets)
    ended = int((result["entailment_finished"] & result["contradiction_finished"]).sum())
    counts = {"rows": len(result), "finished": ended, "unfinished": len(result) - ended}
    if shown:
        counts["demonstrated"] = sum(map(bool, shown.values()))
    write_json({**counts, **closeness(result), **usage_figures(model)}, metrics)
    log.info("generate: wrote %s triplets, %s of them to the end", f"{len(result):,}", f"{ended:,}")


def _demonstrations(
    params: GenerateParams,
    sentences: pl.DataFrame,
    labelled: Path,
    guide: Path,
    prompts: PromptSet,
    progress: Progress,
) -> Demonstrations:
    """Choose, by the guide's cosine, what people wrote for premises like each sentence.

    The paper's Appendix G: the L most similar labelled examples with a cosine of at least lambda.
    """
    if not params.demonstrations:
        return {}
    pool = _pool(params, labelled, prompts)
    places = most_similar(
        load_encoder(guide),
        sentences["sentence"].to_list(),
        pool["premise"].to_list(),
        count=params.demonstrations,
        least_cosine=params.demonstration_cosine,
        progress=progress,
    )
    rows = pool.drop("id").to_dicts()
    found = zip(sentences["id"], places, strict=True)
    return {id_: [rows[place] for place in reversed(near)] for id_, near in found}


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
