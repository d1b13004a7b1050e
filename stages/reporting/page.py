"""Put findings and settings into the one page: page.html filled in, page.css inside it.

Every text is escaped by the template; only the style sheet and the drawings, which this package
makes itself, are put in as they are.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.reporting import figures, overview, wording
from stages.reporting.gathering import Findings

HERE = Path(__file__).parent
DIALS = (
    "generate.omega",
    "curate.alpha",
    "curate.beta",
    "curate.gamma",
    "train.sigma",
    "train.tau",
)
TEXT_CHARACTERS = 500
CELL_CHARACTERS = 160
EXAMPLE_ROWS = 3
STATUS_ORDER = ("fail", "warn", "pass")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One parameter in force: its full key, its value as text and what it does."""

    key: str
    value: str
    meaning: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model of the run and how it is recognised."""

    role: str
    reference: str
    sha256: str | None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was asked for, in plain values.

    Args:
        profile: Name of the profile.
        parameters: Every parameter in force, in the order of params.yaml.
        models: The models of the run.
        thresholds: alpha, beta and gamma of curation.
        dev: Benchmark that chose the checkpoint.
    """

    profile: str
    parameters: tuple[Setting, ...]
    models: tuple[Model, ...]
    thresholds: figures.Thresholds
    dev: str


def render_page(findings: Findings, *, settings: Settings) -> str:
    """Return the report as one HTML document that asks nothing of the network."""
    return (
        _environment()
        .get_template("page.html")
        .render(
            found=findings,
            settings=settings,
            dials=[setting for setting in settings.parameters if setting.key in DIALS],
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 (our own file)
            headline=wording.headline(findings.evaluation),
            effort=overview.effort(findings),
            funnel=overview.funnel(findings),
            rejections=overview.rejections(findings.curation) if findings.curation else (),
            machines=overview.machines(findings.timings),
            versions=overview.versions(findings.timings),
            total_seconds=sum(timing.seconds for timing in findings.timings),
            checks=_checks(findings),
            **_figures(findings, settings=settings),
        )
    )


def _figures(findings: Findings, *, settings: Settings) -> dict[str, Any]:
    scores, evaluation = findings.scores, findings.evaluation
    best_step = findings.training.best_step if findings.training else None
    curves = []
    if findings.loss is not None:
        curves.append(figures.loss_figure(findings.loss))
    if findings.dev is not None:
        curves.append(figures.dev_figure(findings.dev, best_step=best_step))
    return {
        "score_figures": ()
        if scores is None
        else figures.score_figures(scores, thresholds=settings.thresholds),
        "curves": curves,
        "benchmark_figures": figures.benchmark_figures(evaluation) if evaluation else (),
    }


def _checks(findings: Findings) -> dict[str, list[Any]]:
    expectations = findings.quality.expectations if findings.quality else []
    return {
        status: [check for check in expectations if check.status == status]
        for status in STATUS_ORDER
    }


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        signed=wording.signed,
        percent=wording.percent,
        counted=wording.counted,
        duration=wording.duration,
        memory=wording.memory,
        moment=wording.moment,
        interval=wording.interval,
        verdict=wording.verdict,
        reason=wording.reason_in_words,
        readable=wording.readable,
        drawing=Markup,
    )
    environment.globals.update(
        text_characters=TEXT_CHARACTERS,
        cell_characters=CELL_CHARACTERS,
        example_rows=EXAMPLE_ROWS,
    )
    return environment
