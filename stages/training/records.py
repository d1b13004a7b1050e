"""What happened while training, step by step: for the report, for `dvc plots` and for people."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stages.tables.replacing import replacing
from stages.training.dev import METRIC

STEP_COLUMNS = ("step", "epoch", "loss", "learning_rate", "masked_pairs", "masked_ratio")


@dataclass(frozen=True)
class TrainingRecord:
    """The course of one run.

    Attributes:
        steps: A row a step: step, epoch, loss (nats), learning_rate, masked_pairs (a premise
            and a foreign candidate), masked_ratio (their share, in [0, 1]).
        dev: A row a look: step (0 is before training), spearman (times 100).
        best_step: The step whose weights were kept.
    """

    steps: pl.DataFrame
    dev: pl.DataFrame
    best_step: int

    @classmethod
    def from_history(
        cls, history: Sequence[Mapping[str, float]], *, best_step: int
    ) -> "TrainingRecord":
        """Sort the trainer's log into the two tables."""
        trained = [
            {name: entry[name] for name in STEP_COLUMNS} for entry in history if "loss" in entry
        ]
        looks = [
            {"step": entry["step"], "spearman": entry[f"eval_{METRIC}"]}
            for entry in history
            if f"eval_{METRIC}" in entry
        ]
        return cls(pl.DataFrame(trained), pl.DataFrame(looks), best_step)

    @property
    def base_dev(self) -> float:
        """Dev correlation times 100 before the first step."""
        return self._dev_at(0)

    @property
    def best_dev(self) -> float:
        """Dev correlation times 100 of the weights that were kept."""
        return self._dev_at(self.best_step)

    @property
    def masked_ratio(self) -> float:
        """Share of foreign candidates masked, mean over the steps."""
        return float(self.steps.select(pl.col("masked_ratio").mean()).item())

    @property
    def masked_pairs(self) -> int:
        """Pairs of a premise and a foreign candidate that were masked, over all steps."""
        return int(self.steps["masked_pairs"].sum())

    def write(self, folder: Path) -> None:
        """Write steps.tsv and dev.tsv into ``folder``.

        Raises:
            PipelineError: When they cannot be written.
        """
        rounded = self.steps.with_columns(pl.col("epoch", "loss", "masked_ratio").round(6))
        for name, table in {
            "steps": rounded,
            "dev": self.dev.with_columns(pl.col("spearman").round(4)),
        }.items():
            with replacing(folder / f"{name}.tsv") as temporary:
                table.write_csv(temporary, separator="\t")

    def _dev_at(self, step: int) -> float:
        return float(self.dev.filter(pl.col("step") == step)["spearman"].item())
