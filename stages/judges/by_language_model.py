"""The judges that ask the language model, each in a way of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stages.judges.protocol import Calibration, Judge, Judgement, Pair
from stages.language_models.judging import (
    OPPOSITE,
    PARAPHRASED,
    SAME,
    TOLD_ALL,
    TOLD_NOTHING,
    UNRELATED,
    judge,
)
from stages.language_models.prompts import load_prompts
from stages.language_models.protocol import LanguageModel

PROMPTS = "few_shot"
"""Prompt set whose first instructions ask for a paraphrase and for the opposite."""
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
    "contrast": Calibration(
        "nats by which the first sentence makes the second likelier as its paraphrase than as its "
        "opposite",
        "logistic",
        OPPOSITE,
        SAME,
    ),
}
"""The judges by name, and how what each measures becomes a score."""


@dataclass(frozen=True)
class LanguageModelJudge:
    """Asks ``model`` in the way that ``name`` says, a key of ``CALIBRATIONS``."""

    model: LanguageModel
    name: str

    @property
    def calibration(self) -> Calibration:
        """How its measure becomes a score."""
        return CALIBRATIONS[self.name]

    @property
    def facts(self) -> Mapping[str, str]:
        """Model and prompts."""
        return {"model": self.model.identity, "prompts": load_prompts(PROMPTS).digest}

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Return what the model makes of ``pairs``; no score where its answer is no number."""
        return judge(self.model, pairs, method=self.name, prompts=load_prompts(PROMPTS))


def language_model_of(judge: Judge) -> LanguageModel | None:
    """Return the language model that ``judge`` asks, if it asks one."""
    return judge.model if isinstance(judge, LanguageModelJudge) else None
