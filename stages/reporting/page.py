"""Put findings and settings into the one page: page.html filled in, page.css inside it.

Every text is escaped by the template; only the style sheet, the script, the drawings and the
triplets as JSON, which this package makes itself, are put in as they are.
"""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stages.reporting import figures, overview, space, wording
from stages.reporting.gathering import Findings
from stages.reporting.revisions import Revisions

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


def render_page(
    findings: Findings, *, settings: Settings, revisions: Revisions | None = None
) -> str:
    """Return the report as one HTML document that asks nothing of the network.

    Args:
        findings: What the run left.
        settings: What was asked for.
        revisions: Two revisions side by side, where that was asked for.
    """
    script = (HERE / "page.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("page.html")
        .render(
            found=findings,
            settings=settings,
            dials=[setting for setting in settings.parameters if setting.key in DIALS],
            style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # noqa: S704 (our own file)
            script=Markup(script),  # noqa: S704 (our own file)
            script_digest=_digest(script),
            revisions=revisions,
            headline=wording.headline(findings.evaluation),
            leading=wording.leading(findings.evaluation),
            browsable=findings.browsable,
            error_links=_error_links(findings),
            drawn_space=space.drawn_space(findings.space, findings.evaluation, dev=settings.dev),
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
        "group_figures": [
            (group, figures.group_figures(group, name=str(place) if place else ""))
            for place, group in enumerate(evaluation.groups if evaluation else ())
        ],
    }


def _digest(script: str) -> str:
    """Name a script so that the page's policy lets it run, and no other."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def _error_links(findings: Findings) -> dict[str, str]:
    """Return the id of each task's list of errors."""
    tasks = findings.hardest.tasks if findings.hardest else []
    return {task.task: f"errors-{place}" for place, task in enumerate(tasks, 1) if task.items}


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
        metric_name=wording.metric_name,
        group_name=wording.group_name,
        reason=wording.reason_in_words,
        readable=wording.readable,
        plain=wording.plain,
        drawing=Markup,
    )
    environment.globals.update(
        text_characters=TEXT_CHARACTERS,
        cell_characters=CELL_CHARACTERS,
        example_rows=EXAMPLE_ROWS,
    )
    return environment
