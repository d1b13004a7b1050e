"""When to stop before the last step: no look at the dev benchmark has been the best for long."""

from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from stages.training.dev import METRIC


def out_of_patience(history: Sequence[Mapping[str, float]], *, patience: int | None) -> bool:
    """Say whether the last ``patience`` looks all failed to beat the best look before them.

    The look before training does not count: an encoder may fall before it rises.

    Args:
        history: The trainer's log; a look is an entry with a dev score.
        patience: Looks without a new best; None never stops.

    >>> looks = [{"step": step, "eval_spearman": score} for step, score in enumerate([9, 5, 7, 6])]
    >>> out_of_patience(looks, patience=1), out_of_patience(looks, patience=2)
    (True, False)
    """
    if patience is None:
        return False
    looks = [e[f"eval_{METRIC}"] for e in history if f"eval_{METRIC}" in e and e["step"] > 0]
    return bool(looks) and len(looks) - 1 - looks.index(max(looks)) >= patience


class EarlyStopping(TrainerCallback):
    """Ends training when patience runs out. All it knows stands in the log, also after a resume."""

    def __init__(self, patience: int | None) -> None:
        self._patience = patience

    def on_evaluate(
        self,
        args: TrainingArguments,  # noqa: ARG002 (the trainer's signature)
        state: TrainerState,
        control: TrainerControl,
        **more: Any,  # noqa: ARG002
    ) -> None:
        """Look at the log after every look at the dev benchmark."""
        if out_of_patience(state.log_history, patience=self._patience):
            control.should_training_stop = True
