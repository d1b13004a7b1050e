import pytest

from stages.reporting.evaluation_records import Comparison, Evaluation, Score, TaskComparison
from stages.reporting.wording import headline, label, verdict


def outcome(gain: float | None, low: float | None = None, high: float | None = None) -> Evaluation:
    row = Comparison(
        base=Score(value=78.49, low=77, high=80),
        trained=Score(value=None if gain is None else 78.49 + gain, low=77, high=81),
        gain=Score(value=gain, low=low, high=high),
    )
    task = TaskComparison(task="STS12", items=3108, **dict(row))
    return Evaluation(confidence=0.95, bootstrap_samples=1000, tasks=[task], mean=row)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.1, 0.9, "better"),
        (-0.9, -0.1, "worse"),
        (-0.1, 0.9, "no clear change"),
        (0.0, 0.9, "no clear change"),
        (-0.9, 0.0, "no clear change"),
        (None, 0.9, "not known"),
    ],
)
def test_a_gain_is_clear_only_when_its_interval_excludes_zero(
    low: float | None, high: float | None, expected: str
) -> None:
    assert verdict(Score(value=0.4, low=low, high=high)) == expected


def test_a_clear_gain_is_the_title_and_the_sentence_says_that_zero_is_excluded() -> None:
    found = headline(outcome(1.39, 1.1, 1.68))
    assert found.title == "The trained encoder is better by 1.39 points"
    assert "from 78.49 to 79.88" in found.explanation
    assert "+1.10 to +1.68, excludes zero" in found.explanation


def test_a_loss_is_called_worse() -> None:
    assert (
        headline(outcome(-0.5, -0.8, -0.2)).title == "The trained encoder is worse by 0.50 points"
    )


def test_an_unclear_change_is_not_called_better() -> None:
    found = headline(outcome(0.21, -0.1, 0.5))
    assert found.title == "No clear change: +0.21 points"
    assert "includes zero" in found.explanation


def test_without_an_interval_no_claim_is_made() -> None:
    found = headline(outcome(0.21))
    assert "better" not in found.title
    assert "No confidence interval was found" in found.explanation


@pytest.mark.parametrize("evaluation", [None, outcome(None)])
def test_without_a_mean_the_title_says_so(evaluation: Evaluation | None) -> None:
    assert headline(evaluation).title == "The encoder has not been evaluated yet"


def test_an_axis_label_is_short_and_cannot_turn_text_around() -> None:
    assert len(label("x" * 10_000)) == 22
    assert label("\u202eevil\u202c\x00") == "evil"


def test_an_axis_label_counts_wide_letters_twice_and_never_halves_one() -> None:
    assert label("\U0001f600" * 50) == "\U0001f600" * 10 + "…"
    assert label("Zalgo" + "\u0301" * 200) == "Zalgo"
