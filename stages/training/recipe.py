"""How an encoder is trained: the settings of one run."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """The settings of one run; params.py explains ranges and effects under the same names."""

    sigma: float
    tau: float
    batch_triplets: int
    learning_rate: float
    epochs: float
    warmup_ratio: float
    weight_decay: float
    max_tokens: int
    eval_steps: int
    dtype: str
    seed: int

    def planned_steps(self, triplets: int) -> int:
        """Return the number of optimiser steps over ``triplets`` rows."""
        return max(1, math.ceil(self.epochs * math.ceil(triplets / self.batch_triplets)))
