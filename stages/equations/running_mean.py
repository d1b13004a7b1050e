"""The mean of numbers that come some at a time."""

import math
from collections.abc import Iterable


class RunningMean:
    """The mean of all numbers added so far, exact to the last bit but for rare cases.

    Two floats hold the sum with twice the digits of one, so that the mean does not depend on how
    many numbers come at a time, or in which order.
    """

    def __init__(self) -> None:
        self.count = 0
        """Numbers added."""
        self._sum = 0.0
        self._rest = 0.0

    def add(self, numbers: Iterable[float]) -> None:
        """Add finite ``numbers``."""
        parts = [self._sum, self._rest, *numbers]
        self.count += len(parts) - 2
        self._sum = math.fsum(parts)
        self._rest = math.fsum([*parts, -self._sum])

    @property
    def mean(self) -> float:
        """Sum over count; 0 where there is none."""
        return self._sum / self.count if self.count else 0.0
