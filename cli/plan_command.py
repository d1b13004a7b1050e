"""`multicsr plan`: what a corpus will take, before it is begun."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.console import ERR, OUT
from cli.options import PARAMS, Column, ParamsFile, WorkFolder, work_folder
from stages.errors import PipelineError

if TYPE_CHECKING:
    from cli.planning import Request
    from stages.planning.estimating import Plan

SUFFIXES = {"k": 1e3, "M": 1e6, "G": 1e9}
SHAPES, SCALE, SHOW = "Models", "How much, by whom", "Output"


def _model(what: str) -> Any:
    text = f"{what}: a folder, a config.json, hub:OWNER/NAME@COMMIT, or a known name."
    return typer.Option(
        metavar="MODEL", help=text, rich_help_panel=SHAPES, show_default="params.yaml"
    )


def _scale(text: str, **more: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=SCALE, **more)


def plan(  # noqa: PLR0913, PLR0917  every option is one thing a plan depends on
    corpus: Annotated[
        Path | None,
        _scale("Sentence file, as prepare reads it.", metavar="FILE", show_default="params.yaml"),
    ] = None,
    column: Column = None,
    premises: Annotated[
        str | None,
        _scale(
            "Number of premises instead, such as 1M, or several: 1M,10M,100M.",
            metavar="COUNT[,COUNT]",
            show_default=False,
        ),
    ] = None,
    characters: Annotated[
        float | None,
        _scale(
            "Mean length of a premise.", metavar="COUNT", min=1, show_default="that of the corpus"
        ),
    ] = None,
    llm: Annotated[str | None, _model("Language model")] = None,
    base: Annotated[str | None, _model("Encoder to train")] = None,
    guide: Annotated[str | None, _model("Guide")] = None,
    machine: Annotated[
        str,
        _scale("`here`, as calibrated, or v100, a100, h100, h200, l4.", metavar="NAME"),
    ] = "here",
    count: Annotated[
        str, _scale("Devices (or machines like this one), or several: 1,8,64.", metavar="N[,N]")
    ] = "1",
    price: Annotated[
        float | None,
        _scale("Price of one device an hour.", metavar="AMOUNT", min=0, show_default=False),
    ] = None,
    kept: Annotated[
        float, _scale("Share of the triplets that curation keeps.", min=0.001, max=1)
    ] = 0.5,
    calibrate: Annotated[
        bool,
        _scale("First time a few batches of generate, score and train here: about a minute."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write JSON.", rich_help_panel=SHOW)
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Write a Markdown table.", rich_help_panel=SHOW)
    ] = False,
    params: ParamsFile = PARAMS,
    changed: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Another value of a setting; may be repeated."
        ),
    ] = None,
    work: WorkFolder = None,
) -> None:
    """Say what a corpus will take: hours, tokens, memory, disk, money.

    Everything follows from the settings in params.yaml, the sizes in the
    models' config.json (no weights are read) and the length of the premises.

    How fast? `here` means this machine, as --calibrate has timed it: the real
    commands on a sample of the corpus, at two sizes, so that loading is told
    apart from the work. What it found is kept under .work/plan. Without that,
    and for a named accelerator, the operations are counted and a share of its
    peak is assumed (0.15 to 0.45), which is said. Every time is a range.

    Several --premises or --count make one line each.

    [bold]Examples[/]

      multicsr plan --calibrate
      multicsr plan --premises 1M --count 1,8,64 --machine a100 --price 2.5
      multicsr plan --params profiles/paper-flan-t5-xl.yaml --machine v100 --guide bert-base-uncased
      multicsr plan --llm qwen2.5-7b --machine h100 --set generate.batch_premises=256 --json
    """
    from cli.planning import Request, plans_of

    request = Request(
        params=params,
        changed=changed or (),
        work=work_folder(work),
        corpus=corpus,
        column=column,
        premises=numbers(premises, "--premises") if premises else (),
        characters=characters,
        models={"llm": llm, "base": base, "guide": guide},
        machine=machine,
        devices=[int(number) for number in numbers(count, "--count")],
        price=price,
        kept=kept,
    )
    if calibrate:
        _calibrate(request)
    found = plans_of(request)
    if as_json:
        record = {"notes": found.notes, "plans": [_record(each) for each in found.plans]}
        sys.stdout.write(json.dumps(record, indent=2, ensure_ascii=False) + "\n")
        return
    _print(found.plans, markdown=markdown)
    for note in found.notes:
        OUT.print(f"- {note}", soft_wrap=True)


def numbers(text: str, option: str) -> list[float]:
    """Return the counts that a person wrote.

    Raises:
        PipelineError: When one is no count.

    >>> numbers("1M,2.5k,64", "--premises")
    [1000000.0, 2500.0, 64.0]
    """
    found = []
    for part in text.split(","):
        digits, scale = (part[:-1], SUFFIXES[part[-1]]) if part[-1:] in SUFFIXES else (part, 1)
        try:
            number = float(digits) * scale
        except ValueError:
            number = 0
        if not 1 <= number <= 1e12 or number != int(number):
            raise PipelineError(
                f"{option} {part!r} is no count.", remedy="write it as 1000000, 1M or 1M,10M."
            )
        found.append(number)
    return found


def _calibrate(request: "Request") -> None:
    from cli.planning import calibrate_for

    with ERR.status("calibrating ...", spinner="dots") as status:
        path = calibrate_for(request, tell=status.update)
    ERR.print(f"calibrated: {path}", soft_wrap=True)


def _record(plan: "Plan") -> dict[str, Any]:
    stages = [{**asdict(stage), "seconds": stage.seconds._asdict()} for stage in plan.stages]
    return {
        **plan.scenario._asdict(),
        "seconds": plan.seconds._asdict(),
        "tokens": sum(stage.tokens for stage in plan.stages),
        "flops": sum(stage.flops for stage in plan.stages),
        "device_memory_bytes": plan.memory,
        "disk_bytes": plan.disk,
        "cost": None if plan.cost is None else plan.cost._asdict(),
        "bottleneck": plan.bottleneck,
        "stages": stages,
    }


def _print(plans: "Sequence[Plan]", *, markdown: bool) -> None:
    from cli.plan_tables import grid, one

    rows = one(plans[0]) if len(plans) == 1 else grid(plans)
    if markdown:
        for line in rows.markdown():
            OUT.print(line, soft_wrap=True)
        return
    OUT.print(rows.rich())
