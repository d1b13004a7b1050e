"""Stage ``report``: one page that shows what the run did, for people.

data/*.parquet, reports/*.json, reports/training/, reports/timings/, reports/experiments/
-> reports/report.html

What is not there yet leaves a note in the page, so a report can be made at any point of a run.
"""

import json
import logging
from functools import reduce
from operator import getitem
from pathlib import Path

from stages.params import Params, settings
from stages.reporting.figures import Thresholds
from stages.reporting.gathering import gather
from stages.reporting.page import Model, Setting, Settings, render_page
from stages.reporting.revisions import side_by_side
from stages.tables.replacing import replacing

log = logging.getLogger(__name__)

SHAPING_NOTHING = "engine."
"""How settings begin that no result depends on, so that no stage runs again for them."""


def run(params: Params, *, folder: Path, report: Path, against: str | None = None) -> None:
    """Write the page ``report`` about the results found in the project ``folder``.

    Args:
        params: All settings.
        folder: Root of the project.
        report: The page.
        against: Also show these revisions side by side: ``REV`` and what lies in ``folder``, or
            ``REV..REV``. Needs Git and DVC's cache; the stage in dvc.yaml asks for none.

    Raises:
        PipelineError: When no stage has left any result there, one cannot be read, or a revision
            is unknown.
    """
    findings = gather(folder, samples=params.report.samples, seed=params.report.seed)
    values = params.model_dump(mode="json", by_alias=True)
    revisions = None if against is None else side_by_side(folder, against, workspace=values)
    page = render_page(findings, settings=_settings(params), revisions=revisions)
    with replacing(report) as temporary:
        temporary.write_text(page, encoding="utf-8")
    log.info("report: wrote %s, %.0f KiB", report, report.stat().st_size / 1024)


def _settings(params: Params) -> Settings:
    curate = params.curate
    return Settings(
        profile=params.profile,
        parameters=_parameters(params),
        models=tuple(
            Model(role=role, reference=model.reference, sha256=model.sha256)
            for role, model in params.models
            if model.reference is not None
        ),
        thresholds=Thresholds(alpha=curate.alpha, beta=curate.beta, gamma=curate.gamma),
        dev=params.train.dev,
    )


def _parameters(params: Params) -> tuple[Setting, ...]:
    values = params.model_dump(mode="json", by_alias=True)
    return tuple(
        Setting(
            key=key,
            value=_written(reduce(getitem, key.split("."), values)),
            meaning=field.description or "",
        )
        for key, field in settings()
        if not key.startswith(SHAPING_NOTHING)
    )


def _written(value: object) -> str:
    """Write a value as params.yaml would."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
