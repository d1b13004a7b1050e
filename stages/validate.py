"""Stage ``validate``: hold what was kept and what was rejected against expectations.

curated.parquet + rejected.parquet -> quality.json, Data Docs

A critical failure stops the pipeline with exit code 1, after quality.json and the Data Docs are
written; a warning is only said.
"""

import json
import logging
from pathlib import Path

from stages.curation.checking import Finding, run_checks
from stages.curation.expectations import Limits, checks, observed
from stages.errors import QualityError
from stages.params import CurateParams, ValidateParams
from stages.tables import read_any_table, write_json

log = logging.getLogger(__name__)


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
    kept, dropped = read_any_table(curated), read_any_table(rejected)
    thresholds = curation.model_dump(exclude={"swap_reversed"})
    limits = Limits(**thresholds, **params.model_dump())
    tables = observed(kept, dropped, limits)
    findings = run_checks(
        tables, checks(limits, rows=len(kept) + len(dropped)), data_docs=data_docs
    )
    failed = [finding for finding in findings if not finding.success]
    critical = [finding for finding in failed if finding.severity == "critical"]
    write_json(
        {
            "success": not critical,
            "critical_failures": len(critical),
            "warnings": len(failed) - len(critical),
            "checked": {"curated": len(kept), "rejected": len(dropped)},
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


def _told(finding: Finding) -> str:
    count = f"{finding.unexpected:,} rows" if finding.unexpected else f"found {finding.observed}"
    lines = [f"    {finding.table}.{finding.expectation} ({finding.description}): {count}"]
    lines += [
        f"      for example {json.dumps(example, ensure_ascii=False)}"
        for example in finding.examples[:2]
    ]
    return "\n".join(lines)
