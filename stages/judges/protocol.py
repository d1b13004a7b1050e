"""The seam to judges: anything that says how similar two sentences are, 0 to 5."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from stages.language_models.judging import Judgement, Pair

__all__ = ["Calibration", "Judge", "Judgement", "Pair", "record"]


@dataclass(frozen=True)
class Calibration:
    """How what a judge measures becomes a score; never falling, so no order is turned round."""

    measure: str
    """What is measured, in words."""
    form: Literal["as it is", "linear", "logistic"]
    """`linear`: low becomes 0 and high 5, cut off beyond; `logistic`: 0.25 and 4.75, never cut."""
    low: float | None = None
    high: float | None = None


class Judge(Protocol):
    """Says how similar two sentences are. Equal pairs get equal answers, up to rounding."""

    @property
    def name(self) -> str:
        """As in `score.judges`."""

    @property
    def calibration(self) -> Calibration:
        """How its scores come about: saved beside them."""

    @property
    def facts(self) -> Mapping[str, str]:
        """What shapes its scores besides the code: part of fingerprints, and saved."""

    def judge(self, pairs: Sequence[Pair]) -> list[Judgement]:
        """Return one judgement per pair of premise and hypothesis, in order."""


def record(judge: Judge) -> dict[str, object]:
    """Return, as JSON values, who ``judge`` is and how its scores come about."""
    return {"judge": judge.name, **judge.facts, "calibration": asdict(judge.calibration)}
