"""Numbers and findings in words: the only place that decides how a figure is written."""

import math
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate

from stages.reporting.evaluation_records import GRADED, Evaluation, Group, Score

NO_BREAK = "\N{NO-BREAK SPACE}"
MISSING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
PLACEHOLDER = "\N{REPLACEMENT CHARACTER}"

REASONS = {
    "empty": "the model wrote nothing",
    "unfinished": "the answer ran into the length limit",
    "prompt_leftover": "a piece of the prompt is left in the answer",
    "steers_judge": "a text talks to the judge, such as by naming a score",
    "copies_premise": "the answer repeats the premise",
    "contradiction_repeats_entailment": "both answers are the same sentence",
    "not_asked": "the condition score.where does not hold",
    "score_unreadable": "the judge gave no readable score",
    "entailment_too_far": "the entailment is too far from the premise (a < alpha)",
    "contradiction_too_near": "the contradiction is too near to the premise (b > beta)",
    "gap_too_small": "the two scores are too close (a < b + gamma)",
    "condition_not_met": "the condition curate.where does not hold",
    "outdone": "another triplet of the same premise is better",
}


METRICS = {
    "spearman": f"Spearman correlation {TIMES} 100",
    "accuracy": f"Accuracy in{NO_BREAK}%",
    "ndcg@10": f"nDCG@10 {TIMES} 100",
}
GROUPS = {
    GRADED: "Graded pairs",
    "transfer": "Transfer: a classifier on the vectors",
    "retrieval": "Retrieval",
    "bitext": "Translations found",
}


@dataclass(frozen=True)
class Headline:
    """The finding of a run: a title, a sentence of explanation, and its colour class."""

    title: str
    explanation: str
    verdict: str


def number(value: float | None, digits: int = 2) -> str:
    """Write a number with thousands separators and a true minus sign.

    >>> number(1234567, 0), number(-0.5) == MINUS + "0.50", number(None) == MISSING
    ('1,234,567', True, True)
    """
    if value is None or not math.isfinite(value):
        return MISSING
    return f"{value:,.{digits}f}".replace("-", MINUS)


def signed(value: float | None, digits: int = 2) -> str:
    """Write a difference with its sign.

    >>> signed(1.389), signed(-0.2) == MINUS + "0.20", signed(0.0), signed(-0.001)
    ('+1.39', True, '0.00', '0.00')
    """
    if value is None:
        return MISSING
    rounded = round(value, digits) + 0.0  # adding 0.0 turns -0.0 into 0.0
    return ("+" if rounded > 0 else "") + number(rounded, digits)


def percent(ratio: float | None) -> str:
    """Write a share as a percentage.

    >>> percent(0.0416) == "4.2" + NO_BREAK + "%", percent(0.95) == "95" + NO_BREAK + "%"
    (True, True)
    """
    if ratio is None:
        return MISSING
    return f"{round(100 * ratio, 1):g}{NO_BREAK}%"


def counted(count: int, singular: str) -> str:
    """Write a count with its noun.

    >>> counted(1, "sentence"), counted(3000, "triplet"), counted(2, "query")
    ('1 sentence', '3,000 triplets', '2 queries')
    """
    plural = f"{singular[:-1]}ies" if singular.endswith("y") else f"{singular}s"
    return f"{count:,} {singular if count == 1 else plural}"


def duration(seconds: float) -> str:
    """Write a time in the two units a person would use.

    >>> duration(0.42), duration(59.6), duration(192), duration(3900)
    ('0.4 s', '1 min 0 s', '3 min 12 s', '1 h 5 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"


def memory(mib: float | None) -> str:
    """Write an amount of memory.

    >>> memory(512), memory(2048)
    ('512 MiB', '2.0 GiB')
    """
    if mib is None:
        return MISSING
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def moment(written: str) -> str:
    """Write an ISO 8601 time to the minute; text that is no such time stays as it is.

    >>> moment("2025-01-31T12:34:56+00:00"), moment("yesterday")
    ('2025-01-31 12:34 UTC', 'yesterday')
    """
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        return written
    return f"{when:%Y-%m-%d %H:%M} {when.tzname() or ''}".rstrip()


def interval(value: Score, *, with_sign: bool = False) -> str:
    """Write the bounds of an interval.

    >>> interval(Score(value=1.4, low=0.1, high=2.9), with_sign=True)
    '+0.10 to +2.90'
    """
    if value.low is None or value.high is None:
        return MISSING
    write = signed if with_sign else number
    return f"{write(value.low)} to {write(value.high)}"


def verdict(gain: Score) -> str:
    """Say what an interval of a gain tells: better, worse, no clear change or not known.

    A bound of exactly zero includes zero.

    >>> verdict(Score(value=1, low=0, high=2))
    'no clear change'
    """
    if gain.low is None or gain.high is None:
        return "not known"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "no clear change"


def headline(evaluation: Evaluation | None) -> Headline:
    """Put the outcome of a run into a title and one sentence."""
    group = leading(evaluation)
    if evaluation is None or group is None or group.mean.gain.value is None:
        return Headline(
            "The encoder has not been evaluated yet",
            "reports/evaluation.json has no mean for both encoders, so nothing is said about gain.",
            "not known",
        )
    gain = group.mean.gain
    outcome = verdict(gain)
    points = number(abs(gain.value or 0))
    title = {
        "better": f"The trained encoder is better by {points} points",
        "worse": f"The trained encoder is worse by {points} points",
        "no clear change": f"No clear change: {signed(gain.value)} points",
        "not known": f"The mean moved by {signed(gain.value)} points",
    }[outcome]
    return Headline(title, _explain(group, outcome, confidence=evaluation.confidence), outcome)


def leading(evaluation: Evaluation | None) -> Group | None:
    """Return the group whose mean is the finding of a run: the graded pairs where there are any."""
    return next(iter(evaluation.groups), None) if evaluation else None


def metric_name(metric: str) -> str:
    """Say what a figure is; an unknown one is shown as it is.

    >>> metric_name("ndcg@10") == f"nDCG@10 {TIMES} 100", metric_name("f1")
    (True, 'f1')
    """
    return METRICS.get(metric, metric)


def group_name(group: str) -> str:
    """Say what a group of tasks measures; an unknown one is shown as it is."""
    return GROUPS.get(group, group)


def _explain(group: Group, outcome: str, *, confidence: float) -> str:
    mean = group.mean
    benchmarks = counted(len(group.tasks), "benchmark" if group.group == GRADED else "task")
    moved = (
        f"{metric_name(group.metric)}, mean over {benchmarks}, "
        f"went from {number(mean.base.value)} to {number(mean.trained.value)}."
    )
    if outcome == "not known":
        return f"{moved} No confidence interval was found."
    bounds = interval(mean.gain, with_sign=True)
    meaning = (
        "includes zero: the change may be chance"
        if outcome == "no clear change"
        else "excludes zero"
    )
    level = percent(confidence)
    return f"{moved} The {level} confidence interval of the gain, {bounds}, {meaning}."


def reason_in_words(reason: str) -> str:
    """Explain a rejection reason; an unknown one is shown as it is."""
    return REASONS.get(reason, reason.replace("_", " "))


def readable(text: str) -> str:
    """Replace control characters, which a page cannot show, by a visible placeholder.

    >>> readable("a" + chr(0) + "b") == "a" + PLACEHOLDER + "b"
    True
    """
    return "".join(PLACEHOLDER if _unprintable(letter) else letter for letter in text)


def plain(text: str, most: int = 100) -> str:
    """Write a text for a place without markup: no control or direction marks, cut to ``most``.

    >>> plain("a" + chr(0x202E) + "b"), plain("abcdef", 3)
    ('ab', 'abc…')
    """
    kept = "".join(letter for letter in text if unicodedata.category(letter)[0] != "C")
    return kept if len(kept) <= most else f"{kept[:most]}…"


def _unprintable(letter: str) -> bool:
    return letter not in "\n\t" and unicodedata.category(letter) in ("Cc", "Cs")


def label(text: str, columns: int = 22) -> str:
    """Shorten a name for an axis and drop marks that would turn the text around.

    Args:
        text: Any name.
        columns: Greatest width of the result; an East Asian letter or an emoji takes two.

    >>> label("a very long name of a benchmark"), label("a" + chr(0x202E) + "b")
    ('a very long name of a…', 'ab')
    """
    plain = [letter for letter in text if unicodedata.category(letter)[0] not in "CM"]
    widths = [1 + (unicodedata.east_asian_width(letter) in "FW") for letter in plain]
    if sum(widths) <= columns:
        return "".join(plain)
    fitting = sum(width < columns for width in accumulate(widths))
    return "".join(plain[:fitting]) + "…"
