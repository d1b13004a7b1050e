"""The small files a run leaves under reports/, read into values that can be trusted.

Fields a later version may add are ignored; a field that is missing or of another type is an error
that names the file and the field.
"""

from pathlib import Path
from typing import Any, TypeVar

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from stages.errors import PipelineError
from stages.tables.json_files import read_json


class Record(BaseModel):
    """A value read from JSON; it never changes."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Curation(Record):
    """reports/curation.json: how many triplets were kept, and why the others fell."""

    generated: int
    kept: int
    rejected: int
    reasons: dict[str, int]


class Expectation(Record):
    """One data check; ``unexpected`` counts the rows that failed it."""

    table: str
    expectation: str
    severity: str
    success: bool
    unexpected: int | None = None
    examples: list[dict[str, Any]] = []
    observed: str | float | None = None
    description: str = ""

    @property
    def status(self) -> str:
        """``pass``, ``warn`` or ``fail``."""
        if self.success:
            return "pass"
        return "fail" if self.severity == "critical" else "warn"


class Quality(Record):
    """reports/quality.json: every data check and how it ended.

    Args:
        expectations: The checks.
        checked: Rows of each table.
        shown: Of these, the rows that Data Docs show.
    """

    expectations: list[Expectation]
    checked: dict[str, int] = {}
    shown: dict[str, int] = {}

    @property
    def sampled(self) -> bool:
        """Whether Data Docs show a sample; the counts are of all rows in any case."""
        return any(rows < self.checked.get(table, 0) for table, rows in self.shown.items())


class TrainingSummary(Record):
    """reports/training/summary.json: one line about the training run."""

    triplets: int
    labelled: int = 0
    steps: int
    best_step: int
    best_dev: float | None = None
    base_dev: float | None = None
    masked_ratio: float | None = None
    seconds: float
    dtype: str


class Machine(Record):
    """The machine a stage ran on."""

    processor: str
    cores: int
    memory_gib: float
    accelerator: str | None = None
    bfloat16: bool
    python: str
    platform: str


class Worker(Record):
    """What one worker of an engine has done."""

    name: str
    shards: int
    rows: int
    seconds: float
    rate: float


class Timing(Record):
    """reports/timings/STAGE.json: the last run of one stage."""

    stage: str
    seconds: float
    peak_mib: float | None = None
    finished: str
    machine: Machine
    versions: dict[str, str | None]
    workers: tuple[Worker, ...] = ()


class ServerUsage(Record):
    """What a stage asked a server over all runs of the same work, and the cost of it."""

    requests: int
    retries: int
    reused: int = 0
    prompt_tokens: int
    completion_tokens: int
    cost: float


class Metrics(Record):
    """reports/generation.json or scoring.json, of which the report shows this."""

    server: ServerUsage | None = None


AnyRecord = TypeVar("AnyRecord", bound=Record)


def read_record(path: Path, form: type[AnyRecord]) -> AnyRecord | None:
    """Read the JSON file ``path`` as ``form``; None when there is no such file.

    Raises:
        PipelineError: When it is not JSON or has another form; every fault is named.
    """
    if not path.is_file():
        return None
    try:
        return form.model_validate(read_json(path))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'the file'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise PipelineError(
            f"{path} has another form than this version writes: {faults}.",
            remedy="run the stage that makes it again with this version.",
        ) from error


def read_curve(path: Path, *, measures: tuple[str, ...]) -> pl.DataFrame | None:
    """Read a training curve: tab-separated, ``step`` and the columns ``measures``.

    Returns:
        Columns step (integer) and each measure (float), sorted by step, rows whose measures are all
        finite; None when there is no such file or no such row.

    Raises:
        PipelineError: When it cannot be read or a column is missing.
    """
    if not path.is_file():
        return None
    try:
        # Read as text first: "nan" and an empty cell are both "no value", never a crash.
        text = pl.read_csv(path, separator="\t", infer_schema=False)
        numbers = text.select(
            pl.col("step").cast(pl.Int64),
            *(pl.col(name).cast(pl.Float64, strict=False) for name in measures),
        )
    except pl.exceptions.PolarsError as error:
        raise PipelineError(
            f"{path} cannot be read as a table with step, {', '.join(measures)}: {error}",
            remedy="run the train stage again.",
        ) from error
    usable = numbers.filter(pl.all_horizontal(pl.col(name).is_finite() for name in measures))
    return None if usable.is_empty() else usable.sort("step")
