"""The folder of an experiment: record.json, and what people read: table.md, table.tsv, plot.svg."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from stages.experiments.definitions import Definition
from stages.experiments.findings import Finding, findings, overall
from stages.experiments.tabulating import Measured, shown, tabulated
from stages.tables.json_files import read_json, write_json
from stages.tables.replacing import replacing
from stages.tables.spreadsheets import spreadsheet_cell

RECORD, TABLE, FIGURES, PLOT = "record.json", "table.md", "table.tsv", "plot.svg"
DONE, FAILED, OPEN = "done", "failed", "open"
NO_FIGURES = "No run has ended well yet."
TOO_EARLY = "Nothing can be said before the rows that are compared have run."
READ_THEM = "Nothing is computed from texts; they stand side by side, to be read."


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what record.json in ``folder`` holds; None where there is none."""
    path = folder / RECORD
    record: dict[str, Any] | None = read_json(path) if path.is_file() else None
    return record


def measured_in(record: Mapping[str, Any]) -> list[Measured]:
    """Return the runs of a record that ended well."""
    return [
        Measured(
            row=run["row"],
            seed=run["seed"],
            figures=run["figures"],
            base=run["base"],
            places=run["places"],
        )
        for run in record["runs"]
        if run["state"] == DONE
    ]


def write_results(folder: Path, definition: Definition, record: Mapping[str, Any]) -> None:
    """Write all files of ``folder``.

    Args:
        folder: reports/experiments/NAME.
        definition: The experiment.
        record: Who ran what and what it gave; ``runs``, each with row, places, seed, name,
            settings, state, figures, base, cases and more. The findings are added here.
    """
    measured = measured_in(record)
    found = findings(definition, measured)
    told = {
        **record,
        "finding": _finding(definition, found) if measured else NO_FIGURES,
        "findings": [asdict(one) for one in found],
    }
    write_json(told, folder / RECORD)
    with replacing(folder / TABLE) as temporary:
        temporary.write_text(page(definition, told), encoding="utf-8")
    if measured and definition.columns:
        table = tabulated(measured, definition.columns, base=definition.base_row)
        with replacing(folder / FIGURES) as temporary:
            rounded = table.with_columns(
                pl.selectors.float().round(6),
                pl.Series("row", map(spreadsheet_cell, table["row"]), dtype=pl.String),
            )
            rounded.write_csv(temporary, separator="\t")
    if measured and definition.chart is not None:
        from stages.experiments.charting import plot

        with replacing(folder / PLOT) as temporary:
            temporary.write_text(plot(definition, measured), encoding="utf-8")


def _finding(definition: Definition, found: Sequence[Finding]) -> str:
    if definition.cases is not None:
        return READ_THEM
    return overall(found) if found or not definition.expect else TOO_EARLY


def page(definition: Definition, record: Mapping[str, Any]) -> str:
    """Return table.md."""
    measured = measured_in(record)
    parts = [
        f"# {definition.title}",
        *_source(definition),
        f"**{definition.claimant}:** {definition.claim.strip()}",
        "\n".join([f"**Found:** {record['finding']}", "", *_findings(record)]).rstrip(),
    ]
    if measured and definition.cases is not None:
        parts.append(_cases(definition, record))
    elif measured:
        titles, cells = shown(
            tabulated(measured, definition.columns, base=definition.base_row), definition.columns
        )
        parts.append(markdown(titles, cells))
    if measured and definition.chart is not None:
        parts.append(f"![{definition.title}]({PLOT})")
    if definition.notes:
        parts.append(definition.notes.strip())
    return "\n\n".join([*parts, _provenance(record)]) + "\n"


def _source(definition: Definition) -> list[str]:
    if definition.paper is None:
        return []
    return [f"{definition.paper} of [arXiv 2310.10962](https://arxiv.org/abs/2310.10962)."]


def _findings(record: Mapping[str, Any]) -> list[str]:
    return [f"- {one['sentence']}" for one in record["findings"]]


def _provenance(record: Mapping[str, Any]) -> str:
    machine = record["machine"]
    states = [run["state"] for run in record["runs"]]
    seconds = [run["seconds"] for run in record["runs"] if run["seconds"] is not None]
    lines = [
        f"- command: `{record['command']}`",
        f"- scale {record['scale']}; seeds {', '.join(map(str, record['seeds']))}; "
        f"{states.count(DONE)} of {len(states)} runs ended well, in {sum(seconds) / 60:.0f} minutes"
        + (" (what earlier runs had computed was not computed again)"),
        f"- {machine['cores']} cores of {machine['processor']}, {machine['memory_gib']} GiB; "
        f"accelerator: {machine['accelerator'] or 'none'}",
        f"- revision {record['revision']}; every setting of every run is in [{RECORD}]({RECORD})",
    ]
    for run in record["runs"]:
        if run["state"] == FAILED:
            cause = " ".join(run["cause"].split())
            lines.append(f"- failed: {run['row']}, seed {run['seed']}: {cause}")
    return "\n".join(lines)


def markdown(titles: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: text to the left, figures to the right."""
    rules = ["---", *("---:" for _ in titles[1:])]
    return "\n".join(_line(row) for row in (titles, rules, *cells))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(_plain(cell) for cell in cells)} |"


def _plain(text: str) -> str:
    r"""Return ``text`` so that it cannot end a cell or begin HTML.

    >>> _plain("a|b\n<script>")
    'a\\|b &lt;script&gt;'
    """
    text = " ".join(text.split())
    for mark, shown_as in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "\\|")):
        text = text.replace(mark, shown_as)
    return text


def _cases(definition: Definition, record: Mapping[str, Any]) -> str:
    cases = definition.cases
    assert cases is not None
    titles = [cases.by, "", *cases.show]
    runs = [run for run in record["runs"] if run["state"] == DONE]
    keys = list(runs[0]["cases"])
    cells = [
        [key if place == 0 else "", run["row"], *run["cases"].get(key, ["-"] * len(cases.show))]
        for key in keys
        for place, run in enumerate(runs)
    ]
    return "\n".join(_line(row) for row in (titles, ["---"] * len(titles), *cells))


def cases_of(definition: Definition, table: pl.DataFrame) -> dict[str, list[str]]:
    """Return the shown texts of the first rows of a run's table, by what names a case.

    Raises:
        pl.exceptions.ColumnNotFoundError: When the table has no such column.
    """
    cases = definition.cases
    assert cases is not None
    first = table.unique(cases.by, keep="first", maintain_order=True).head(cases.count)
    return {row[0]: list(row[1:]) for row in first.select(cases.by, *cases.show).iter_rows()}
