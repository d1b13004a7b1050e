"""Give the encoder to others: as ONNX, or to a hub repository."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from cli.console import OUT
from cli.options import ENCODER, EncoderFolder
from stages.errors import PipelineError

log = logging.getLogger(__name__)


def export(
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FOLDER", help="Where the export goes; new.")
    ] = Path("models/onnx"),
    model: EncoderFolder = ENCODER,
) -> None:
    """Export the encoder to ONNX and check that its vectors are equal.

    One graph takes token ids and their mask and gives vectors of length 1;
    tokenizer.json and a README with code to run lie beside it. Needs the
    extra multicsr[onnx].

    [bold]Examples[/]

      multicsr export
      multicsr export --model models/base --out /tmp/base-onnx
    """
    from stages.sharing.onnx_export import MODEL, export_onnx, greatest_difference, require_onnx

    require_onnx()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise PipelineError(f"{out} exists and is not an empty folder.", remedy="name a new --out.")
    from stages.encoders.loading import load_encoder

    encoder = load_encoder(model).cpu()
    export_onnx(encoder, out)
    difference = greatest_difference(encoder, out)
    log.info(
        "export: %s -> %s (%s); the greatest difference of a coordinate is %.1e",
        *(model, out / MODEL, _size((out / MODEL).stat().st_size), difference),
    )


def publish(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="OWNER/NAME on the hub, or path:FOLDER.")
    ],
    model: EncoderFolder = ENCODER,
    yes: Annotated[bool, typer.Option("--yes", help="Really send; without it nothing is.")] = False,
    private: Annotated[
        bool, typer.Option("--private/--public", help="Of a repository made by this command.")
    ] = True,
    message: Annotated[
        str, typer.Option(metavar="TEXT", help="Of the commit.")
    ] = "Publish a sentence encoder trained by multicsr",
) -> None:
    """Send the encoder to a hub repository; only shows what, without --yes.

    Pickles, code, links and hidden files are refused. The token is read from
    HF_TOKEN or from the hub's own login (`hf auth login`), and never shown.

    [bold]Examples[/]

      multicsr publish me/my-encoder                 [dim]what would be sent[/]
      multicsr publish me/my-encoder --public --yes
      multicsr publish path:/srv/models/encoder --yes
    """
    from stages.sharing.publishing import LOCAL, check_target, connect, deliver, plan, send

    check_target(target)
    shipment = plan(model)
    for name, size in shipment.files.items():
        OUT.print(f"{_size(size):>10}  {name}", markup=False, highlight=False)
    is_local = target.startswith(LOCAL)
    kind = "" if is_local else " (private if new)" if private else " (public if new)"
    told = f"{len(shipment.files)} files, {_size(shipment.size)}, {model} -> {target}{kind}"
    if not yes:
        log.info("publish: %s; nothing was sent: add --yes to send it", told)
        return
    if is_local:
        deliver(shipment, target)
    else:
        send(shipment, target, hub=connect(), private=private, message=message)
    log.info("publish: sent %s", told)


COMMANDS = (export, publish)


def _size(size: int) -> str:
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if size >= 10**power:
            return f"{size / 10**power:.1f} {unit}"
    return f"{size} B"
