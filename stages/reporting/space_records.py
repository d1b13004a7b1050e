"""What stage ``evaluate`` leaves to be drawn of the vectors themselves."""

from pydantic import Field

from stages.reporting.records import Record

Coordinates = tuple[float, float, float, float]


class Spread(Record):
    """Quantiles of some cosines."""

    p10: float
    p25: float
    p50: float
    p75: float
    p90: float


class Band(Record):
    """Pairs that people graded from ``low`` to ``high``, and what cosines they have."""

    low: float
    high: float
    pairs: int
    base: Spread
    trained: Spread


class Placed(Record):
    """A pair in one encoder: its cosine, and x and y of either sentence on the map."""

    cosine: float
    ends: Coordinates


class DrawnPair(Record):
    """A pair on the maps."""

    item: int
    texts: list[str]
    grade: float
    base: Placed
    trained: Placed


class Plane(Record):
    """Of a map: the share of the vectors' variance it holds, and whether its axes are its own."""

    share: float
    own: bool = False


class Maps(Record):
    """The same pairs in both encoders."""

    base: Plane
    trained: Plane
    pairs: list[DrawnPair] = Field(min_length=1)


class TaskSpace(Record):
    """One task of graded pairs; ``pairs`` counts all of it."""

    task: str
    pairs: int
    bands: list[Band]
    map: Maps | None = None


class Space(Record):
    """reports/space/space.json: cosines by grade, and maps of some pairs, task by task."""

    tasks: list[TaskSpace]

    def leading(self, *, dev: str) -> TaskSpace | None:
        """Return the largest task that did not choose the checkpoint; if need be, the one that did.

        Args:
            dev: Name of the task that chose the checkpoint.
        """
        return max(self.tasks, key=lambda task: (task.task != dev, task.pairs), default=None)
