from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.equations.similarity_scores import logistic_score, scaled_score
from stages.judges.by_language_model import CALIBRATIONS, LanguageModelJudge
from stages.language_models.prompts import load_prompts
from stages.language_models.scripted import ScriptedLanguageModel
from stages.params import AskedJudge

PAIRS = [("The cat sleeps.", "The cat rests."), ("The cat sleeps.", "Taxes rise every year.")]


def test_every_way_to_ask_has_a_calibration() -> None:
    assert tuple(CALIBRATIONS) == get_args(AskedJudge)


@pytest.mark.parametrize(
    ("name", "form", "scale"),
    [
        ("likelihood", "logistic", logistic_score),
        ("forward", "linear", scaled_score),
        ("contrast", "logistic", logistic_score),
    ],
)
def test_the_calibration_told_is_the_one_applied(
    name: str, form: str, scale: Callable[..., NDArray[np.float64]]
) -> None:
    judge = LanguageModelJudge(ScriptedLanguageModel(), name)
    told = judge.calibration
    assert told.form == form
    assert told.low is not None
    assert told.high is not None
    for one in judge.judge(PAIRS):
        measured = np.array([float(one.answer)])
        expected = scale(measured, low=told.low, high=told.high)
        assert one.score == pytest.approx(expected[0], abs=1e-4)


def test_what_shapes_the_scores_is_told() -> None:
    facts = LanguageModelJudge(ScriptedLanguageModel(), "likelihood").facts
    assert facts == {"model": "scripted 1", "prompts": load_prompts("few_shot").digest}
