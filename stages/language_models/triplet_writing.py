"""Sentences become triplets: what a language model is asked about each, and where answers go."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

import polars as pl

from stages.language_models.demonstrating import examples_of
from stages.language_models.prompts import Example, Instruction, PromptSet, Shown, noisy_prompt
from stages.language_models.protocol import Decoding, LanguageModel, Request
from stages.tables.columns import WRITTEN
from stages.tables.schemas import TRIPLETS

OPPOSITE = dict(zip(WRITTEN, reversed(WRITTEN), strict=True))


class Row(NamedTuple):
    """A triplet to be written."""

    id: str
    sentence: str
    sample: int
    examples: Sequence[Mapping[str, str]]
    """Labelled triplets to show, the nearest last."""

    def key(self, hypothesis: str) -> str:
        """Name the random numbers of an answer; those of the first sample go by no number."""
        return "/".join([self.id, hypothesis, *([str(self.sample)] if self.sample else [])])


@dataclass(frozen=True, kw_only=True)
class TripletWriter:
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

    @property
    def facts(self) -> dict[str, object]:
        """Everything that shapes the triplets besides the sentences, as JSON values."""
        named = {name: getattr(self, name) for name in ("noisy", "chat", "samples")}
        model, prompts = self.model.identity, self.prompts.digest
        return {**named, "model": model, "prompts": prompts, "decoding": asdict(self.decoding)}

    def write(self, sentences: pl.DataFrame) -> pl.DataFrame:
        """Return TRIPLETS for a batch of SENTENCES: ``samples`` rows a sentence, side by side.

        The sentences may come with examples, see :mod:`stages.language_models.demonstrating`.
        """
        examples = examples_of(sentences)
        rows = [
            Row(key, sentence, sample, examples.get(key, ()))
            for key, sentence in sentences.select("id", "sentence").iter_rows()
            for sample in range(self.samples)
        ]
        entailment, contradiction = (self._drawn(kind, rows) for kind in WRITTEN)
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

    def _drawn(self, hypothesis: str, rows: Sequence[Row]) -> list[Instruction]:
        """Draw one instruction a sentence, the same for all of its samples."""
        seed = self.decoding.seed
        ids = dict.fromkeys(row.id for row in rows)
        drawn = {id_: self.prompts.draw(hypothesis, seed=seed, key=id_) for id_ in ids}
        return [drawn[row.id] for row in rows]

    def _request(
        self, row: Row, instruction: Instruction, other: Instruction, hypothesis: str
    ) -> Request:
        wanted = self._shown(row, instruction, hypothesis)
        opposite = self._shown(row, other, OPPOSITE[hypothesis])
        told, noisy = wanted.prompt(row.sentence), None
        if self.decoding.omega != 0:
            noisy = noisy_prompt(self.noisy, row.sentence, wanted=wanted, opposite=opposite)
            noisy = replace(noisy, chat=self.chat)
        return Request(replace(told, chat=self.chat), noisy, key=row.key(hypothesis))

    def _shown(self, row: Row, instruction: Instruction, hypothesis: str) -> Shown:
        shown = [Example(one["premise"], one[hypothesis]) for one in row.examples]
        return Shown(instruction, shown)
