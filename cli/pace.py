"""How fast work goes and how long it will still take."""

import time
from collections import deque
from collections.abc import Callable

from cli.wording import duration

HEAD_START_SECONDS = 1.0
WINDOW_SECONDS = 60.0


class Pace:
    """Counts items done and knows their rate.

    Items reported within the first second do not count towards the rate: a run that continues
    reports at once what an earlier run had finished, and would otherwise promise the impossible.

    Args:
        total: Items to be done.
        unit: What they are, in the plural.
        clock: Seconds that never run backwards.
    """

    def __init__(
        self, total: int, *, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = total
        self.unit = unit
        self.done = 0
        self._clock = clock
        self._started = clock()
        self._reports = deque([(self._started, 0)])

    def advance(self, items: int) -> None:
        """Note that ``items`` more are done."""
        self.done += items
        now = self._clock()
        if now - self._started < HEAD_START_SECONDS:
            self._reports.clear()
        self._reports.append((now, self.done))
        while len(self._reports) > 2 and self._reports[1][0] < now - WINDOW_SECONDS:
            self._reports.popleft()

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return self._clock() - self._started

    @property
    def rate(self) -> float | None:
        """Items a second over the last minute, None while nobody can say."""
        (first, done_first), (last, done_last) = self._reports[0], self._reports[-1]
        return (done_last - done_first) / (last - first) if last > first else None

    @property
    def seconds_left(self) -> float | None:
        """Time until the end at this rate, None while nobody can say."""
        rate = self.rate
        if not rate:
            return None
        since_report = self._clock() - self._reports[-1][0]
        return max((self.total - self.done) / rate - since_report, 0.0)

    def describe(self) -> str:
        """Return count, rate and time left, such as `96/3,000 rows, 8.2/s, 5 min 54 s left`."""
        parts = [f"{self.done:,}/{self.total:,} {self.unit}"]
        if self.rate:
            parts.append(f"{self.rate:,.0f}/s" if self.rate >= 100 else f"{self.rate:.2g}/s")
        if self.done >= self.total:
            parts.append(f"took {duration(self.seconds)}")
        elif self.seconds_left is not None:
            parts.append(f"{duration(self.seconds_left)} left")
        return ", ".join(parts)
