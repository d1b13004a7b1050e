"""What the commands of the stages have in common: their files, and the engine of params.yaml."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.timing import Cost

if TYPE_CHECKING:
    from stages.engines.protocol import Engine
    from stages.params import EngineParams


def reads(text: str) -> Any:
    """Return the option of a file that a stage reads."""
    return typer.Option(metavar="PATH", help=text, rich_help_panel="Reads")


def writes(text: str) -> Any:
    """Return the option of a file that a stage writes."""
    return typer.Option(metavar="PATH", help=text, rich_help_panel="Writes")


@contextmanager
def engine_in_use(params: "EngineParams", cost: Cost) -> Iterator["Engine"]:
    """Give the engine of params.yaml, and note what its workers have done."""
    from stages.engines.choosing import engine_of

    with engine_of(**params.model_dump()) as engine:
        yield engine
        cost.workers = engine.throughput.records()


DATA, MODELS, REPORTS = Path("data"), Path("models"), Path("reports")

ReadSentences = Annotated[Path, reads("Sentences, from `prepare`.")]
ReadBenchmarks = Annotated[Path, reads("Folder of graded pairs, from `prepare`.")]
ReadLabelled = Annotated[Path, reads("Labelled triplets, from `prepare`.")]
ReadTriplets = Annotated[Path, reads("Triplets, from `generate`.")]
ReadScored = Annotated[Path, reads("Scored triplets, from `score`.")]
ReadCurated = Annotated[Path, reads("Kept triplets, from `curate`.")]
ReadRejected = Annotated[Path, reads("Rejected triplets, from `curate`.")]
ReadLlm = Annotated[Path, reads("The language model, from `fetch`.")]
ReadBase = Annotated[Path, reads("The encoder training starts from.")]
ReadGuide = Annotated[Path, reads("The frozen encoder that points out false negatives.")]
ReadEncoder = Annotated[Path, reads("The trained encoder, from `train`.")]
