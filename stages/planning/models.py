"""Which model a plan is for: a folder, a config.json, a reference to a hub, or a known name."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from stages.documents import load_yaml
from stages.errors import PipelineError, first_line
from stages.model_files.reference import HubReference, parse_reference
from stages.planning.shapes import Shape, shape_of

WITHOUT_SHAPE = ("scripted:", "api:", "random:")


@dataclass(frozen=True)
class Model:
    """A model whose cost can be told.

    Attributes:
        name: As it is shown.
        shape: Its sizes.
        tokenizer: Its tokenizer.json, None where only its sizes are known.
        identity: Of its weights where it is at hand, else its name.
    """

    name: str
    shape: Shape
    tokenizer: Path | None
    identity: str


def known_models() -> Mapping[str, Mapping[str, Any]]:
    """Return the models whose sizes come with multicsr, by name."""
    folder = resources.files("stages.planning")
    values: dict[str, Mapping[str, Any]] = load_yaml(
        (folder / "known_models.yaml").read_text(encoding="utf-8")
    )
    return values


def find_model(text: str) -> Model:
    """Find what a person named.

    Args:
        text: A folder, a config.json, `hub:OWNER/NAME@COMMIT`, or a name of :func:`known_models`.

    Raises:
        PipelineError: When there is no such model, or its sizes are not to be had.
    """
    path = Path(text)
    if path.exists():
        return _at(path if path.is_dir() else path.parent, path)
    known = known_models()
    for name, entry in known.items():
        if text == name or text.partition("@")[0] in entry["references"]:
            return Model(name, shape_of(entry["config"], name=name), None, name)
    if text.startswith("hub:"):
        return _of_hub(text)
    raise PipelineError(
        f"the sizes of the model {text!r} are not at hand.",
        remedy="name a folder or config.json, hub:OWNER/NAME@COMMIT, or one of "
        f"{', '.join(known)} with --llm, --base or --guide.",
    )


def model_in_force(folder: Path, reference: str) -> Model:
    """Return the model of params.yaml: that of ``folder`` if it is there, else by ``reference``.

    Raises:
        PipelineError: As :func:`find_model`, and when the model has no sizes at all.
    """
    try:
        source = json.loads((folder / "source.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        source = {}
    if reference.startswith(WITHOUT_SHAPE):
        raise PipelineError(
            f"{reference} has no sizes from which a cost would follow.",
            remedy="name the model to plan for with --llm, --base or --guide.",
        )
    if source.get("reference") == reference and (folder / "config.json").is_file():
        return _at(folder, folder)
    return find_model(reference.removeprefix("path:"))


def _at(folder: Path, named: Path) -> Model:
    config = named if named.is_file() else folder / "config.json"
    try:
        values = json.loads(config.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(
            f"{config} cannot be read as JSON: {error}.",
            remedy="name a model's folder, or its config.json.",
        ) from error
    if not isinstance(values, dict):
        raise PipelineError(f"{config} is no object.", remedy="name a model's config.json.")
    tokenizer = folder / "tokenizer.json"
    name = folder.name
    return Model(
        name,
        shape_of(values, name=str(config)),
        tokenizer if tokenizer.is_file() else None,
        _identity(folder) or name,
    )


def _identity(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "source.json").read_text(encoding="utf-8"))["identity"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _of_hub(text: str) -> Model:
    """Fetch config.json alone."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    reference = parse_reference(text)
    assert isinstance(reference, HubReference)
    try:
        file = hf_hub_download(reference.repository, "config.json", revision=reference.revision)
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise PipelineError(
            f"config.json of {text} could not be fetched: {first_line(error)}.",
            remedy="connect to the hub, or name a model by its config.json or one of "
            f"{', '.join(known_models())}.",
        ) from error
    config = json.loads(Path(file).read_text(encoding="utf-8"))
    name = reference.repository.rpartition("/")[2]
    return Model(name, shape_of(config, name=text), None, text)
