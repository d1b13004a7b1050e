"""How an encoder is trained: the settings of one run."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The settings of one run; params.py explains ranges and effects under the same names."""

    objective: str
    anchors: str
    sigma: float
    tau: float
    hard_negative_weight: float
    batch_triplets: int
    mini_batch_triplets: int | None
    allow_duplicates: bool
    learning_rate: float
    epochs: float
    warmup_ratio: float
    weight_decay: float
    clip_norm: float | None
    max_tokens: int
    eval_steps: int
    early_stopping: int | None
    dtype: str
    seed: int

    def planned_steps(self, triplets: int) -> int:
        """Return the number of optimiser steps over ``triplets`` rows."""
        return max(1, math.ceil(self.epochs * math.ceil(triplets / self.batch_triplets)))
