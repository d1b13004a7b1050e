"""Curves that can be watched while training runs: `dvc plots show`, or an editor's DVC view."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from stages.training.dev import METRIC

log = logging.getLogger(__name__)

CURVES = {
    "loss": "loss",
    "grad_norm": "grad_norm",
    "learning_rate": "learning_rate",
    "masked_pairs": "masked_pairs",
    f"eval_{METRIC}": f"dev_{METRIC}",
}
"""What the trainer's log calls a figure, and the name of its curve."""


class LiveCurves(TrainerCallback):
    """Writes every figure to ``folder`` by DVCLive as soon as it is known.

    transformers' own callback is not used: it begins an experiment and a dvc.yaml of its own, and
    after a resume its curves would lack the steps before, or have some of them twice.

    Args:
        folder: Emptied of older curves; then holds ``metrics.json`` and ``plots/metrics/*.tsv``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: Any = None

    def on_train_begin(
        self,
        args: TrainingArguments,  # noqa: ARG002 (the trainer's signature)
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        **more: Any,  # noqa: ARG002
    ) -> None:
        """Begin with what the run had logged before it was stopped."""
        from dvclive.live import Live
        from scmrepo.exceptions import SCMError

        try:
            self._live = Live(str(self._folder), report=None, save_dvc_exp=False, dvcyaml=None)
        except SCMError as error:  # it looks for a commit, whether it needs one or not
            log.warning("train: no live curves, since DVCLive finds no commit here: %s", error)
            return
        if self._live._dvc_repo is not None:  # it opens git's packs, and leaves them open
            self._live._dvc_repo.close()
        for entry in state.log_history:
            self._add(entry, step=int(entry["step"]))

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, float] | None = None,
        **more: Any,  # noqa: ARG002
    ) -> None:
        """Add what is logged now."""
        self._add(logs or {}, step=state.global_step)

    def on_train_end(
        self,
        args: TrainingArguments,  # noqa: ARG002
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,  # noqa: ARG002
        **more: Any,  # noqa: ARG002
    ) -> None:
        """Close the files."""
        if self._live is not None:
            self._live.end()

    def _add(self, entry: Mapping[str, float], *, step: int) -> None:
        known = {curve: entry[name] for name, curve in CURVES.items() if name in entry}
        if self._live is None or not known:
            return
        self._live.step = step
        for curve, value in known.items():
            self._live.log_metric(curve, value)
        self._live.make_summary()
