"""Running the expectations: Great Expectations on pandas, results in our own words."""

import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from stages.curation.expectations import Check

SHOWN = (
    "id",
    "premise",
    "entailment",
    "contradiction",
    "entailment_score",
    "contradiction_score",
    "reason",
)
EXAMPLES = 5


@dataclass(frozen=True)
class Finding:
    """How one check ended."""

    table: str
    expectation: str
    severity: str
    success: bool
    unexpected: int
    """Rows that broke it; 0 for an expectation on the table as a whole."""
    examples: list[dict[str, object]]
    observed: str | float | None
    description: str

    def as_json(self) -> dict[str, object]:
        """Return the finding as JSON values."""
        return asdict(self)


def run_checks(
    tables: Mapping[str, pl.DataFrame], checks: Sequence[Check], *, data_docs: Path
) -> list[Finding]:
    """Hold ``tables`` against ``checks`` and write Data Docs.

    Args:
        tables: By name, with every column that a check names.
        checks: What to hold them against.
        data_docs: Folder of the static site; replaced.

    Returns:
        A finding per check, in order.
    """
    with warnings.catch_warnings():
        # It imports modules that newer Pythons deprecate; nothing here can mend that.
        warnings.simplefilter("ignore")
        results = _results(tables, checks, data_docs=data_docs)
    return [
        _finding(check, results[check.table][check.name], tables[check.table]) for check in checks
    ]


def _results(
    tables: Mapping[str, pl.DataFrame], checks: Sequence[Check], *, data_docs: Path
) -> dict[str, dict[str, Any]]:
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(enable=False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    _add_site(context, data_docs)
    source = context.data_sources.add_pandas("multicsr")
    found = {}
    for name, table in tables.items():
        suite = context.suites.add(_suite(name, [c for c in checks if c.table == name]))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all rows")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        checkpoint = _checkpoint(context.validation_definitions.add(definition))
        run = checkpoint.run(batch_parameters={"dataframe": table.to_pandas()})
        (result,) = run.run_results.values()
        found[name] = {r.expectation_config.meta["name"]: r for r in result.results}
    return found


def _suite(name: str, checks: Sequence[Check]) -> Any:
    import great_expectations as gx

    return gx.ExpectationSuite(
        name,
        expectations=[
            getattr(gx.expectations, check.kind)(
                **check.arguments,
                severity=check.severity,
                notes=check.description,
                meta={"name": check.name},
            )
            for check in checks
        ],
    )


def _checkpoint(definition: Any) -> Any:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    return gx.Checkpoint(
        name=definition.name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="docs", site_names=["multicsr"])],
        result_format={"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES},
    )


def _add_site(context: Any, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    backend = {
        "class_name": "TupleFilesystemStoreBackend",
        "base_directory": str(folder.absolute()),
    }
    site = {
        "class_name": "SiteBuilder",
        "store_backend": backend,
        "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
    }
    context.add_data_docs_site("multicsr", site)


def _finding(check: Check, result: Any, table: pl.DataFrame) -> Finding:
    values = result.result
    rows = sorted(values.get("partial_unexpected_index_list") or [])[:EXAMPLES]
    shown = [name for name in SHOWN if name in table.columns]
    observed = values.get("observed_value", values.get("unexpected_percent"))
    return Finding(
        table=check.table,
        expectation=check.name,
        severity=check.severity,
        success=bool(result.success),
        unexpected=int(values.get("unexpected_count", 0)),
        examples=[_shown(table.select(shown).row(int(row), named=True)) for row in rows],
        observed=_plain(observed),
        description=check.description,
    )


def _shown(row: dict[str, Any]) -> dict[str, object]:
    # JSON has no word for a number that is none.
    return {k: str(v) if isinstance(v, float) and not isfinite(v) else v for k, v in row.items()}


def _plain(observed: Any) -> str | float | None:
    if observed is None or isinstance(observed, str):
        return observed
    return ", ".join(map(str, observed)) if isinstance(observed, list) else round(observed, 6)
