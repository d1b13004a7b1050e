"""What an experiment is, as data: one YAML file each, in ``catalogue/`` or anywhere."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError, did_you_mean

Value = bool | int | float | str | None | list[str]
Settings = dict[str, Value]
SEED, OUTPUT = "${seed}", "${output}"
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class Declared(BaseModel):
    """Read from YAML: closed, and it never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Declared):
    """A figure that is read off every run."""

    name: Name
    title: str
    value: str = Field(pattern=r"^[^#]+#[^#]+$")
    """`reports/metrics.json#mean/trained`: a JSON file of the run and the way to a number in it."""
    base: str | None = Field(default=None, pattern=r"^[^#]+#[^#]+$")
    """The same for the encoder before training: makes a row of its own."""
    digits: int = Field(default=2, ge=0, le=6)
    factor: float = 1.0
    """What the number is multiplied by before it is shown."""


class Variant(Declared):
    """One row of the table, or one for each place of the grid."""

    name: str = Field(min_length=1)
    settings: Settings = {}
    axes: dict[str, list[Value]] = {}
    """Take the place of the axes of the same name, for a variant that cannot go as far."""
    arguments: tuple[str, ...] = ()
    """Kind ``command``: what stands behind `multicsr`."""


class Rows(Declared):
    """An input file made of the rows of another one, between two places (from 0)."""

    file: str
    first: int = Field(ge=0)
    rows: int = Field(ge=1)
    copied: float = Field(default=0, ge=0, lt=1)
    """Share of the rows that get premise and entailment of the first: one pair many times."""


class Above(Declared):
    """The paper finds one row better than others."""

    kind: Literal["above"]
    column: str
    row: str
    than: tuple[str, ...] = Field(min_length=1)


class AtLeast(Declared):
    """The paper finds a row good in itself."""

    kind: Literal["at_least"]
    column: str
    row: str
    value: float


class BestAt(Declared):
    """The paper finds the greatest value at one place of an axis."""

    kind: Literal["best_at"]
    column: str
    axis: str
    at: float


class Trend(Declared):
    """The paper finds that the value rises or falls along an axis, or from row to row."""

    kind: Literal["trend"]
    column: str
    axis: str
    direction: Literal["rises", "falls"]


Expectation = Annotated[Above | AtLeast | BestAt | Trend, Field(discriminator="kind")]


class Chart(Declared):
    """How the plot shows the columns."""

    kind: Literal["dots", "lines"]
    columns: tuple[str, ...] = Field(min_length=1)
    axis: str | None = None
    """The setting along the bottom, for lines."""
    x: str | None = None
    """Title of that axis; null is the setting's name."""
    y: str
    """Title of the upright axis, with its unit."""


class Cases(Declared):
    """Rows of a table that runs wrote, side by side, instead of figures."""

    file: str
    by: str
    show: tuple[str, ...] = Field(min_length=1)
    count: int = Field(ge=1, le=200)


class Scale(Declared):
    """How large an experiment is made."""

    profile: str
    """The file of profiles/ with every setting that is named nowhere below."""
    minutes: int | None = None
    """Expected on two cores when nothing is there yet; null where it has not been run."""
    seeds: tuple[int, ...] = Field(min_length=1)
    settings: Settings = {}
    axes: dict[str, list[Value]] = {}
    """Take the place of the axes of the same name."""
    arguments: dict[str, str] = {}
    """Kind ``command``: what `${NAME}` in its arguments stands for."""


class Definition(Declared):
    """An experiment."""

    name: Name
    title: str
    paper: str | None = None
    """Which table or figure of arXiv 2310.10962; null for a question of one's own."""
    claim: str
    """What the paper says, in our words, or what is expected."""
    notes: str = ""
    """What is done otherwise here, and why."""
    kind: Literal["pipeline", "command"] = "pipeline"
    target: str = "evaluate"
    """The last stage that runs."""
    needs: str | None = None
    """The stage whose files a command needs; it is brought up to date first."""
    seeded: tuple[str, ...] = ("train.seed",)
    """The settings that a seed sets."""
    settings: Settings = {}
    inputs: dict[Name, Rows] = {}
    """Files that are made first; `${inputs}/NAME.tsv` in settings."""
    axes: dict[str, list[Value]] = {}
    variants: tuple[Variant, ...] = ()
    columns: tuple[Column, ...] = ()
    base_row: str = "base, not trained"
    expect: tuple[Expectation, ...] = ()
    chart: Chart | None = None
    cases: Cases | None = None
    scales: dict[str, Scale] = Field(min_length=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.axes and not self.variants:
            raise ValueError("axes or variants must be given")
        if bool(self.columns) == (self.cases is not None):
            raise ValueError("either columns or cases must be given")
        _once([column.name for column in self.columns], "column")
        _once([variant.name for variant in self.variants], "variant")
        names = {column.name for column in self.columns}
        used = [*(e.column for e in self.expect), *(self.chart.columns if self.chart else ())]
        for name in used:
            if name not in names:
                message = f"there is no column {name!r}{did_you_mean(name, names)}"
                raise ValueError(message)
        for axis in self._named_axes():
            if axis not in self.axes:
                message = f"there is no axis {axis!r}{did_you_mean(axis, self.axes)}"
                raise ValueError(message)
        return self

    def _named_axes(self) -> list[str]:
        named = [e.axis for e in self.expect if isinstance(e, BestAt | Trend)]
        named += [axis for variant in self.variants for axis in variant.axes]
        return named + ([self.chart.axis] if self.chart and self.chart.axis else [])

    @property
    def claimant(self) -> str:
        """Whose claim it is, for a heading."""
        return "The claim" if self.paper is None else "The paper"

    def scale(self, name: str) -> Scale:
        """Return the scale ``name``.

        Raises:
            PipelineError: When there is none.
        """
        if name not in self.scales:
            raise PipelineError(
                f"{self.name} has no scale {name!r}{did_you_mean(name, self.scales)}",
                remedy=f"choose one of {', '.join(self.scales)}.",
            )
        return self.scales[name]


def _once(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            message = f"two {what}s are called {name!r}"
            raise ValueError(message)


def catalogue() -> list[Definition]:
    """Return the experiments that come with multicsr: the paper's tables, then its figures."""
    files = resources.files("stages.experiments.catalogue").iterdir()
    found = [
        parse_definition(file.read_text(encoding="utf-8"), name=file.name.removesuffix(".yaml"))
        for file in files
        if file.name.endswith(".yaml")
    ]
    return sorted(found, key=_place)


def find_definition(name: str) -> Definition:
    """Return the experiment called ``name``, or that which the file ``name`` declares.

    Raises:
        PipelineError: When there is none, or its file is at fault.
    """
    path = Path(name)
    if path.suffix in {".yaml", ".yml"}:
        return parse_definition(_text(path), name=path.stem, place=str(path))
    known = {definition.name: definition for definition in catalogue()}
    if name not in known:
        raise PipelineError(
            f"there is no experiment {name!r}{did_you_mean(name, known)}",
            remedy="`multicsr experiments list` shows them all; a .yaml file of your own is read "
            "as well.",
        )
    return known[name]


def parse_definition(text: str, *, name: str, place: str = "") -> Definition:
    """Read one definition.

    Args:
        text: YAML.
        name: What the experiment is called: its file's name without the ending.
        place: The file, for messages.

    Raises:
        PipelineError: When it is not YAML, or does not say what is needed; all faults at once.
    """
    place = place or f"stages/experiments/catalogue/{name}.yaml"
    remedy = "mend the file; stages/experiments/definitions.py says what each key means."
    try:
        values = load_yaml(text)
    except YAMLError as error:
        raise PipelineError(f"{place} is not YAML: {error}", remedy=remedy) from error
    if not isinstance(values, Mapping):
        raise PipelineError(f"{place} declares nothing.", remedy=remedy)
    try:
        return Definition.model_validate({"name": name, **values})
    except ValidationError as error:
        faults = "\n".join(f"    {_fault(fault)}" for fault in error.errors())
        raise PipelineError(
            f"{place} does not declare an experiment as it should:\n{faults}", remedy=remedy
        ) from error


def _fault(fault: Any) -> str:
    key = ".".join(str(part) for part in fault["loc"]) or "the file"
    given = "" if fault["type"] in {"missing", "value_error"} else f" = {fault['input']!r:.80}"
    return f"{key}{given}: {fault['msg']}"


def _place(definition: Definition) -> tuple[bool, int]:
    kind, _, number = (definition.paper or "").partition(" ")
    return kind != "Table", int(number) if number.isdigit() else 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PipelineError(
            f"{path} cannot be read: {error}", remedy="mend the path of the definition."
        ) from error
