"""What stage ``evaluate`` leaves: figures with intervals, and the sentences behind them."""

from pydantic import AliasChoices, Field

from stages.reporting.records import Record

GRADED = "graded pairs"
"""What the first group is called: the pairs that people graded."""


class Score(Record):
    """A figure times 100 with its interval; None where it is not defined."""

    value: float | None = Field(validation_alias=AliasChoices("value", "spearman"))
    low: float | None = None
    high: float | None = None
    p: float | None = None
    """Of a gain: how likely chance gives one like it between encoders of equal quality."""


class Comparison(Record):
    """Base encoder, trained encoder, and what was gained, on the same items."""

    base: Score
    trained: Score
    gain: Score


class SubsetComparison(Comparison):
    """The comparison on one part of a benchmark."""

    subset: str
    items: int = Field(validation_alias=AliasChoices("items", "pairs"))


class TaskComparison(Comparison):
    """The comparison on one task, its parts, and further measures by encoder."""

    task: str
    items: int = Field(validation_alias=AliasChoices("items", "pairs"))
    subsets: tuple[SubsetComparison, ...] = ()
    measures: dict[str, dict[str, float]] = Field(default_factory=dict)


class Group(Record):
    """Tasks whose figures mean the same, and the mean over them."""

    group: str
    metric: str
    tasks: list[TaskComparison]
    mean: Comparison


class Evaluation(Record):
    """reports/evaluation.json: base against trained encoder with bootstrap intervals."""

    confidence: float
    bootstrap_samples: int
    tasks: list[TaskComparison]
    mean: Comparison
    further: tuple[Group, ...] = ()

    @property
    def groups(self) -> tuple[Group, ...]:
        """All groups that hold a task, the graded pairs first."""
        graded = Group(group=GRADED, metric="spearman", tasks=self.tasks, mean=self.mean)
        return tuple(group for group in (graded, *self.further) if group.tasks)


class Answer(Record):
    """What an encoder got on one item: its cosine and rank, or its value and answer."""

    value: float
    rank: float | None = None
    answer: str | None = None


class HardItem(Record):
    """One item: its sentences, what would have been right, and what the encoders got."""

    item: int
    texts: list[str]
    wanted: float | str
    wanted_rank: float | None = None
    subset: str = ""
    base: Answer
    trained: Answer

    @property
    def apart(self) -> float | None:
        """How far, of 100, the trained encoder's rank lies above that of the grade."""
        if self.wanted_rank is None or self.trained.rank is None:
            return None
        return self.trained.rank - self.wanted_rank


class HardTask(Record):
    """The items of one task with the greatest error, the worst first."""

    task: str
    kind: str
    metric: str
    total: int
    faulty: int | None = None
    items: list[HardItem]


class Hardest(Record):
    """reports/hardest.json: the sentences behind the figures of reports/evaluation.json."""

    tasks: list[HardTask]
