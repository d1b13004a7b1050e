from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray

from stages.equations.similarity_scores import logistic_score, scaled_score
from stages.judges.by_language_model import CALIBRATIONS, LanguageModelJudge
from stages.language_models.scripted import ScriptedLanguageModel
from stages.params import ScoreMethod

PAIRS = [("The cat sleeps.", "The cat rests."), ("The cat sleeps.", "Taxes rise every year.")]


def test_every_method_has_a_calibration() -> None:
    assert tuple(CALIBRATIONS) == get_args(ScoreMethod)


@pytest.mark.parametrize(
    ("method", "form", "scale"),
    [("likelihood", "logistic", logistic_score), ("forward", "linear", scaled_score)],
)
def test_the_calibration_told_is_the_one_applied(
    method: str, form: str, scale: Callable[..., NDArray[np.float64]]
) -> None:
    judge = LanguageModelJudge(ScriptedLanguageModel(), method)
    told = judge.calibration
    assert told.form == form
    assert told.low is not None
    assert told.high is not None
    for one in judge.judge(PAIRS):
        measured = np.array([float(one.answer)])
        expected = scale(measured, low=told.low, high=told.high)
        assert one.score == pytest.approx(expected[0], abs=1e-4)


def test_what_shapes_the_scores_is_told() -> None:
    facts = [dict(LanguageModelJudge(ScriptedLanguageModel(), m).facts) for m in CALIBRATIONS]
    assert len({str(fact) for fact in facts}) == len(CALIBRATIONS)
    assert all(fact["model"] == "scripted 1" for fact in facts)
