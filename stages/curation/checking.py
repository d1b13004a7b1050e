"""Running the expectations: Great Expectations on pandas, results in our own words."""

import logging
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from stages.curation.expectations import Check
from stages.errors import PipelineError

SHOWN = (
    "id",
    "sample",
    "premise",
    "entailment",
    "contradiction",
    "entailment_score",
    "contradiction_score",
    "reason",
    "column",
    "found",
    "wanted",
)
"""Columns of an example row, as far as its table has them."""
EXAMPLES = 5
SITE = {"index.html", "static", "expectations", "validations"}
"""What Data Docs consist of."""
LOOK_ALIKES = {sign: chr(ord(sign) + 0xFEE0) for sign in "<>&\"'$"}
"""The same signs in full width, as East Asian text has them."""
IN_FULL_WIDTH = str.maketrans("".join(LOOK_ALIKES), "".join(LOOK_ALIKES.values()))
LONGEST_SHOWN = 200
"""Characters of a text shown in an example."""


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


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What all rows of a table say to one check, where Great Expectations sees a sample of them."""

    rows: int
    """Rows that it looked at: those where nothing it needs is missing."""
    unexpected: int
    """Those of them that break it."""
    first: tuple[int, ...]
    """Numbers, in the frame shown, of the first of these."""
    share_allowed: float
    """Of the rows that may break it."""


def run_checks(
    tables: Mapping[str, pl.DataFrame],
    checks: Sequence[Check],
    *,
    data_docs: Path,
    counted: Mapping[str, Counted] | None = None,
) -> list[Finding]:
    """Hold ``tables`` against ``checks`` and write Data Docs.

    Args:
        tables: By name, with every column that a check names; checks on frames that are not
            here are left out.
        checks: What to hold them against.
        data_docs: Folder of the static site; replaced.
        counted: Where the tables are samples, what all rows say to a check: that counts, and the
            site says so beside what it finds in the sample.

    Returns:
        A finding per check, in order.

    Raises:
        PipelineError: When ``data_docs`` holds anything but Data Docs, or cannot be replaced.
    """
    counted = counted or {}
    _clear(data_docs)
    possible = [check for check in checks if check.looks_at in tables]
    with warnings.catch_warnings():
        # It imports modules that newer Pythons deprecate; nothing here can mend that.
        warnings.simplefilter("ignore")
        results = _results(tables, possible, counted, data_docs=data_docs)
    return [
        _counted_finding(check, counted[check.key], tables[check.looks_at])
        if check.key in counted
        else _finding(check, results[check.looks_at][check.name], tables[check.looks_at])
        for check in possible
    ]


def _clear(folder: Path) -> None:
    """Remove the site of an earlier run, but never files of somebody else."""
    try:
        found = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
        if not found <= SITE:
            raise PipelineError(
                f"{folder} holds files that are not Data Docs.",
                remedy="name a new or empty folder with --data-docs.",
            )
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise PipelineError(
            f"{folder} cannot be replaced: {error.strerror}.",
            remedy="mend its permissions, or name another folder with --data-docs.",
        ) from error


def _results(
    tables: Mapping[str, pl.DataFrame],
    checks: Sequence[Check],
    counted: Mapping[str, Counted],
    *,
    data_docs: Path,
) -> dict[str, dict[str, Any]]:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # read when it is imported
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
        looked_at = [check for check in checks if check.looks_at == name]
        needed = sorted(set().union(*(check.columns for check in looked_at)))
        suite = context.suites.add(_suite(name, looked_at, counted))
        batch = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe("all rows")
        definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
        checkpoint = _checkpoint(context.validation_definitions.add(definition))
        shown = harmless(table.select(needed)).to_pandas()
        run = checkpoint.run(batch_parameters={"dataframe": shown})
        (result,) = run.run_results.values()
        found[name] = {r.expectation_config.meta["name"]: r for r in result.results}
    return found


def harmless(table: pl.DataFrame) -> pl.DataFrame:
    """Give every text signs that only look like those of HTML and of templates.

    Great Expectations puts the values it found into its pages as they are. Lengths in characters
    and which values are equal stay the same, and so does what an expectation finds.
    """
    return table.with_columns(
        pl.col(pl.String).str.replace_many(list(LOOK_ALIKES), list(LOOK_ALIKES.values()))
    )


def _suite(name: str, checks: Sequence[Check], counted: Mapping[str, Counted]) -> Any:
    import great_expectations as gx

    return gx.ExpectationSuite(
        name,
        expectations=[
            getattr(gx.expectations, check.kind)(
                **check.arguments,
                severity=check.severity,
                notes=_notes(check, counted.get(check.key)).translate(IN_FULL_WIDTH),
                meta={"name": check.name},
            )
            for check in checks
        ],
    )


def _notes(check: Check, counted: Counted | None) -> str:
    if counted is None:
        return check.description
    return (
        f"{check.description}; of all {counted.rows:,} rows, {counted.unexpected:,} break it: this "
        "page shows a sample of the rows, and the first that break it"
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
    if not values and not result.success:
        observed = "could not be computed"
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


def _counted_finding(check: Check, counted: Counted, table: pl.DataFrame) -> Finding:
    """Judge as Great Expectations does, by what all rows say."""
    share = counted.unexpected / counted.rows if counted.rows else 0.0
    shown = [name for name in SHOWN if name in table.columns]
    return Finding(
        table=check.table,
        expectation=check.name,
        severity=check.severity,
        success=share <= counted.share_allowed,
        unexpected=counted.unexpected,
        examples=[_shown(table.select(shown).row(row, named=True)) for row in counted.first],
        observed=round(100 * share, 6),
        description=check.description,
    )


def _shown(row: dict[str, Any]) -> dict[str, object]:
    return {name: _brief(value) for name, value in row.items()}


def _brief(value: object) -> object:
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # JSON has no word for a number that is none
    if isinstance(value, str) and len(value) > LONGEST_SHOWN:
        return value[:LONGEST_SHOWN] + "\N{HORIZONTAL ELLIPSIS}"
    return value


def _plain(observed: Any) -> str | float | None:
    if observed is None or isinstance(observed, str):
        return observed
    if isinstance(observed, list):
        return ", ".join(map(str, observed))
    return int(observed) if observed == int(observed) else round(float(observed), 6)
