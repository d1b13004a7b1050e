"""Look at triplets: what was kept, what was rejected and why."""

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import OUT
from cli.masked_pairs import Wanted, refuse_other_filters, show_masked_pairs
from cli.options import PARAMS, ParamsFile, WorkFolder
from cli.wording import printable
from stages.errors import PipelineError, did_you_mean
from stages.tables.columns import TEXTS

if TYPE_CHECKING:
    import polars as pl
    from rich.padding import Padding
    from rich.text import Text

log = logging.getLogger(__name__)

SHOWN = 20
SCORES = (("a", "entailment_score"), ("b", "contradiction_score"), ("gap", "gap"))


class Order(StrEnum):
    """What rows can be sorted by."""

    FILE = "file"
    GAP = "gap"
    ENTAILMENT = "entailment"
    CONTRADICTION = "contradiction"
    REASON = "reason"
    ID = "id"


SORT_COLUMNS = {
    Order.GAP: "gap",
    Order.ENTAILMENT: "entailment_score",
    Order.CONTRADICTION: "contradiction_score",
    Order.REASON: "reason",
    Order.ID: "id",
}


def _filter(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel="Which rows", show_default=False, **more)


def inspect(  # noqa: PLR0913, PLR0917  every filter is an option
    kept: Annotated[
        bool | None,
        typer.Option(
            "--kept/--rejected",
            help="Only these; both without.",
            rich_help_panel="Which rows",
            show_default=False,
        ),
    ] = None,
    reason: Annotated[
        list[str] | None, _filter("Rejected for this reason; may be repeated.", metavar="REASON")
    ] = None,
    contains: Annotated[
        str | None, _filter("Text in premise or answers, whatever its case.", metavar="TEXT")
    ] = None,
    id_: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="ID", help="Id or its beginning.", rich_help_panel="Which rows"
        ),
    ] = None,
    masked: Annotated[
        bool,
        typer.Option(
            "--masked",
            help="Pairs that the guide hides from one another.",
            rich_help_panel="Which rows",
        ),
    ] = False,
    sigma: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="With --masked: instead of train.sigma.", show_default=False
        ),
    ] = None,
    min_gap: Annotated[float | None, _filter("Least a - b.", metavar="X")] = None,
    max_gap: Annotated[float | None, _filter("Greatest a - b.", metavar="X")] = None,
    sort: Annotated[
        Order, typer.Option(metavar="ORDER", help=f"One of {', '.join(Order)}.")
    ] = Order.FILE,
    reverse: Annotated[bool, typer.Option("--reverse", help="The greatest first.")] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Most rows shown.", show_default="20; all with --json"
        ),
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="Write JSON lines, for pipes.")
    ] = False,
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where curated.parquet and rejected.parquet are.")
    ] = Path("data"),
    guide: Annotated[Path, typer.Option(metavar="FOLDER", help="With --masked: the guide.")] = Path(
        "models/guide"
    ),
    work: WorkFolder = None,
    params: ParamsFile = PARAMS,
) -> None:
    """Look at triplets: what was kept, what was rejected and why.

    a is the language model's similarity of premise and entailment, b that of
    premise and contradiction, both 0 to 5; the gap is a - b.

    With --masked: the pairs of a premise and another one's entailment or
    contradiction that the guide holds for paraphrases (cosine >= train.sigma),
    so that training leaves them out where they meet in a batch.

    [bold]Examples[/]

      multicsr inspect --rejected --limit 5
      multicsr inspect --reason copies_premise --reason unfinished
      multicsr inspect --kept --sort gap            [dim]the doubtful first[/]
      multicsr inspect --contains refund --json | jq .entailment
      multicsr inspect --masked --sigma 0.8
    """
    if masked:
        refuse_other_filters(
            {
                "--kept/--rejected": kept is not None,
                "--reason": bool(reason),
                "--min-gap": min_gap is not None,
                "--max-gap": max_gap is not None,
                "--sort": sort is not Order.FILE,
                "--reverse": reverse,
            }
        )
        wanted = Wanted(data, guide, params, work, sigma, contains, id_, limit, json_lines)
        show_masked_pairs(wanted)
        return
    if sigma is not None:
        raise PipelineError("--sigma says nothing without --masked.", remedy="add --masked.")
    everything = _read(data)
    rows = _kept_or_not(everything, kept)
    if reason:
        rows = _with_reasons(rows, everything, reason)
    rows = _matching(rows, contains=contains, id_=id_)
    rows = _within(rows, min_gap, max_gap)
    if sort is not Order.FILE or reverse:
        rows = _sorted(rows, sort, reverse=reverse)
    shown = rows.head(limit or (len(rows) if json_lines else SHOWN))
    if json_lines:
        _print_json(shown)
    else:
        for row in shown.iter_rows(named=True):
            OUT.print(_headline(row), _texts(row), sep="\n")
    log.info("%s", _summary(everything, matching=len(rows), shown=len(shown)))


def _read(folder: Path) -> "pl.DataFrame":
    import polars as pl

    from stages.tables.reading import read_table
    from stages.tables.schemas import CURATED, REJECTED

    good = read_table(folder / "curated.parquet", CURATED).with_columns(
        reason=pl.lit(None, pl.String)
    )
    bad = read_table(folder / "rejected.parquet", REJECTED)
    return pl.concat([good, bad]).with_columns(
        kept=pl.col("reason").is_null(),
        gap=pl.col("entailment_score") - pl.col("contradiction_score"),
    )


def _kept_or_not(rows: "pl.DataFrame", kept: bool | None) -> "pl.DataFrame":
    return rows if kept is None else rows.filter(rows["kept"] == kept)


def _with_reasons(
    rows: "pl.DataFrame", everything: "pl.DataFrame", reasons: list[str]
) -> "pl.DataFrame":
    known = everything["reason"].drop_nulls().unique().sort().to_list()
    for reason in reasons:
        if reason not in known:
            raise PipelineError(
                f"no row was rejected for {reason!r}{did_you_mean(reason, known)}",
                remedy=f"choose among: {', '.join(known) or 'nothing, no row was rejected'}.",
            )
    return rows.filter(rows["reason"].is_in(reasons))


def _matching(rows: "pl.DataFrame", *, contains: str | None, id_: str | None) -> "pl.DataFrame":
    import polars as pl

    if contains is not None:
        wanted = contains.lower()
        texts = (pl.col(name).str.to_lowercase() for name in TEXTS)
        rows = rows.filter(
            pl.any_horizontal(text.str.contains(wanted, literal=True) for text in texts)
        )
    return rows if id_ is None else rows.filter(pl.col("id").str.starts_with(id_))


def _within(rows: "pl.DataFrame", least: float | None, most: float | None) -> "pl.DataFrame":
    if least is not None:
        rows = rows.filter(rows["gap"] >= least)
    return rows if most is None else rows.filter(rows["gap"] <= most)


def _sorted(rows: "pl.DataFrame", order: Order, *, reverse: bool) -> "pl.DataFrame":
    if order is Order.FILE:
        return rows.reverse()
    column = SORT_COLUMNS[order]
    return rows.sort(column, descending=reverse, nulls_last=True, maintain_order=True)


def _headline(row: dict[str, Any]) -> "Text":
    """Return verdict, scores and id of one triplet."""
    from rich.text import Text

    verdict = Text("kept", "bold green") if row["kept"] else Text(row["reason"], "bold red")
    scores = Text("  ".join(f"{name} {_number(row[key])}" for name, key in SCORES), "not bold cyan")
    return Text("  ").join([verdict, scores, Text(printable(row["id"]), "not bold dim")])


def _texts(row: dict[str, Any]) -> "Padding":
    """Return the three texts of one triplet, each wrapped beside its name."""
    from rich.padding import Padding
    from rich.table import Table

    texts = Table.grid(padding=(0, 2))
    texts.add_column(style="dim", no_wrap=True)
    texts.add_column(overflow="fold")
    for name in TEXTS:
        texts.add_row(name, printable(row[name]))
    return Padding(texts, (0, 0, 1, 2))


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _print_json(rows: "pl.DataFrame") -> None:
    for row in rows.iter_rows(named=True):
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")


def _summary(everything: "pl.DataFrame", *, matching: int, shown: int) -> str:
    counts = everything["reason"].drop_nulls().value_counts(sort=True)
    rejected = int(counts["count"].sum())
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in counts.iter_rows())
    return (
        f"{shown:,} shown of {matching:,} matching, of {len(everything):,} triplets: "
        f"{len(everything) - rejected:,} kept, {rejected:,} rejected"
        + (f" ({reasons})" if reasons else "")
    )
