"""Stage ``validate``: hold what was kept and what was rejected against expectations.

curated.parquet + rejected.parquet -> quality.json, Data Docs

Of tables longer than validate.sample_rows every row is still counted, some at a time; Great
Expectations and its Data Docs then show a sample.

A critical failure stops the pipeline with exit code 1, after quality.json and the Data Docs are
written; a warning is only said.
"""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from stages.curation.checking import Counted, Finding, run_checks
from stages.curation.counting import sampled
from stages.curation.expectations import (
    Check,
    Limits,
    checks,
    observed,
    well_formed,
    whole_frames,
)
from stages.curation.facts import check_script
from stages.errors import QualityError
from stages.params import CurateParams, ValidateParams
from stages.tables.json_files import write_json
from stages.tables.reading import any_schema, read_any_table

log = logging.getLogger(__name__)

TABLES = ("curated", "rejected")


def run(
    params: ValidateParams,
    *,
    curation: CurateParams,
    curated: Path,
    rejected: Path,
    quality: Path,
    data_docs: Path,
) -> None:
    """Write ``quality`` and ``data_docs``.

    Raises:
        QualityError: When a critical expectation failed.
    """
    thresholds = curation.model_dump(exclude={"swap_reversed", "where"})
    limits = Limits(**thresholds, **params.model_dump(exclude={"sample_rows"}))
    (_, kept), (_, dropped) = any_schema(curated), any_schema(rejected)
    look = _look_at_a_sample if max(kept, dropped) > params.sample_rows else _look_at_all
    wanted = checks(limits, rows=kept + dropped)
    tables, counted = look(curated, rejected, limits, wanted, params.sample_rows)
    findings = run_checks(tables, wanted, data_docs=data_docs, counted=counted)
    failed = [finding for finding in findings if not finding.success]
    critical = [finding for finding in failed if finding.severity == "critical"]
    write_json(
        {
            "success": not critical,
            "critical_failures": len(critical),
            "warnings": len(failed) - len(critical),
            "checked": {"curated": kept, "rejected": dropped},
            "shown": {name: len(tables[name]) for name in TABLES if name in tables},
            "expectations": [finding.as_json() for finding in findings],
        },
        quality,
    )
    for finding in failed:
        if finding.severity != "critical":
            log.warning("validate: %s", _told(finding))
    if critical:
        raise QualityError(
            "\n".join(["the data failed critical expectations:", *map(_told, critical)]),
            remedy=f"look at {data_docs / 'index.html'}, then mend curate.* or validate.* in "
            "params.yaml, or the stage that made these rows.",
        )
    log.info(
        "validate: %d expectations hold, %d warnings", len(findings) - len(failed), len(failed)
    )


def _look_at_all(
    curated: Path, rejected: Path, limits: Limits, _checks: Sequence[Check], _rows: int
) -> tuple[dict[str, pl.DataFrame], dict[str, Counted]]:
    return observed(read_any_table(curated), read_any_table(rejected), limits), {}


def _look_at_a_sample(
    curated: Path, rejected: Path, limits: Limits, wanted: Sequence[Check], rows: int
) -> tuple[dict[str, pl.DataFrame], dict[str, Counted]]:
    (kept, kept_rows), (dropped, _) = any_schema(curated), any_schema(rejected)
    frames = whole_frames(kept, dropped, kept=kept_rows)
    if limits.script is not None:
        check_script(limits.script)
    if not well_formed(frames):
        return frames, {}
    found = sampled(curated, rejected, limits, wanted, rows=rows)
    log.info(
        "validate: all rows are counted; Great Expectations sees %s",
        " and ".join(f"{len(frame):,} of {name}" for name, frame in found.frames.items()),
    )
    return frames | found.frames, found.counted


def _told(finding: Finding) -> str:
    count = f"{finding.unexpected:,} rows" if finding.unexpected else f"found {finding.observed}"
    lines = [f"    {finding.table}.{finding.expectation} ({finding.description}): {count}"]
    lines += [
        f"      for example {json.dumps(example, ensure_ascii=False)}"
        for example in finding.examples[:2]
    ]
    return "\n".join(lines)
