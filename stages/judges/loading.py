"""From the name of a judge to a judge."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from stages.engines.hardware import Hardware, hardware_here
from stages.errors import PipelineError
from stages.judges.protocol import Judge
from stages.language_models.servers.settings import Server
from stages.tables.json_files import read_json

SOURCE = "source.json"


@dataclass(frozen=True)
class Folders:
    """Where the judges' models are."""

    llm: Path
    encoder: Path
    nli: Path

    def of(self, name: str) -> Path:
        """Return the folder of the judge ``name``."""
        own = {"encoder": self.encoder, "nli": self.nli}
        return own.get(name, self.llm)


def load_judge(
    name: str,
    folders: Folders,
    *,
    dtype: str,
    server: Server | None = None,
    hardware: Hardware | None = None,
) -> Judge:
    """Load the judge ``name``; nothing is loaded for the others.

    The weights of a language model are loaded when it is first asked.

    Args:
        name: ``encoder``, ``nli`` or one of those that ask the language model:
            ``generate``, ``expectation``, ``likelihood``, ``forward``, ``contrast``.
        folders: Where their models are.
        hardware: What a language model will compute on; None is this machine.
        dtype: Arithmetic of the language model.
        server: Where and how a language model behind a server is asked.

    Raises:
        PipelineError: When its model is not there or is of the wrong kind.
    """
    match name:
        case "generate" | "expectation" | "likelihood" | "forward" | "contrast":
            from stages.judges.by_language_model import LanguageModelJudge
            from stages.language_models.loading import language_model_at

            where = hardware or hardware_here()
            model = language_model_at(folders.llm, where, dtype=dtype, server=server)
            return LanguageModelJudge(model, name)
        case "encoder":
            from stages.encoders.loading import load_encoder
            from stages.judges.by_cosine import CosineJudge

            return CosineJudge(load_encoder(folders.encoder), _identity(folders.encoder))
        case "nli":
            from stages.judges.by_entailment import load_classifier

            return load_classifier(folders.nli, identity=_identity(folders.nli))
    message = f"no judge {name!r}"
    raise ValueError(message)


def _identity(folder: Path) -> str:
    """Return what names the weights in ``folder``: the note of stage fetch, else their hash."""
    if not folder.is_dir():
        raise PipelineError(
            f"{folder} is not a folder, so there is no model to judge with.",
            remedy="run `dvc repro fetch` or `multicsr fetch`, or mend the path.",
        )
    if (folder / SOURCE).is_file():
        identity: str | None = read_json(folder / SOURCE)["identity"]
        if identity is None:
            raise PipelineError(
                f"{folder} is empty, because params.yaml names no model for it.",
                remedy="set models.nli.reference and run `dvc repro fetch`, or leave the judge "
                "nli out.",
            )
        return identity
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        digest.update(file.read_bytes())
    return f"{folder.name}#{digest.hexdigest()[:16]}"
