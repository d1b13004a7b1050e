"""The judge ``llm``: a language model, asked in one of four ways."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.judges.protocol import Calibration, Judge, Judgement, Pair
from stages.language_models.judging import (
    PARAPHRASED,
    TOLD_ALL,
    TOLD_NOTHING,
    UNRELATED,
    judge,
)
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import LanguageModel

PROMPTS = "few_shot"
"""Prompt set whose first entailment instruction is the paraphrase prompt of ``likelihood`` and
``forward``."""
CALIBRATIONS = {
    "generate": Calibration("the number that the model writes", "as it is"),
    "expectation": Calibration("the digits 0 to 5 weighted by their probability", "as it is"),
    "likelihood": Calibration(
        "mutual information of the two sentences over their own information",
        "logistic",
        UNRELATED,
        PARAPHRASED,
    ),
    "forward": Calibration(
        "share of the second sentence's information that the first tells",
        "linear",
        TOLD_NOTHING,
        TOLD_ALL,
    ),
}


@dataclass(frozen=True)
class LanguageModelJudge:
    """Asks ``model`` by ``method``, a key of ``CALIBRATIONS``."""

    model: LanguageModel
    method: str
    name: str = "llm"

    @property
    def calibration(self) -> Calibration:
        """How the method's measure becomes a score."""
        return CALIBRATIONS[self.method]

    @property
    def facts(self) -> Mapping[str, str]:
        """Model, method and prompts."""
        return {
            "model": self.model.identity,
            "method": self.method,
            "prompts": load_prompts(PROMPTS).digest,
        }

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Return what the model makes of ``pairs``; no score where its answer is no number."""
        instruction = load_prompts(PROMPTS).entailment[0]
        return judge(self.model, pairs, method=self.method, instruction=instruction)


def language_model_of(judge: Judge) -> LanguageModel | None:
    """Return the language model that ``judge`` asks, if it asks one."""
    return judge.model if isinstance(judge, LanguageModelJudge) else None
