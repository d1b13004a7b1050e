"""params.yaml is read: whole and in range, or every fault of it is told at once."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from ruamel.yaml.error import YAMLError

from stages.documents import load_yaml
from stages.errors import PipelineError, did_you_mean
from stages.params import Params, section_of

SHOWN = 120
"""Characters of a faulty value in an error."""


def load_params(path: Path) -> Params:
    """Read and check ``path``.

    Raises:
        PipelineError: When the file is missing, is not YAML, or holds any fault; all faults are
            listed at once, each by its full key.
    """
    values = read_yaml(path)
    try:
        params = Params.model_validate(values)
    except ValidationError as error:
        faults = "\n".join(f"    {fault}" for fault in _faults(error))
        raise PipelineError(
            f"{path} does not say what the pipeline needs:\n{faults}",
            remedy="mend these lines; `multicsr params explain` says what every setting does.",
        ) from error
    _check_together(params, path)
    return params


def _check_together(params: Params, path: Path) -> None:
    """Refuse values that are in range, but not beside one another."""
    if "nli" in params.score.judges and params.models.nli.reference is None:
        raise PipelineError(
            f"{path}: score.judges names nli, but models.nli.reference is null.",
            remedy="name a classifier in models.nli, or leave nli out of score.judges.",
        )
    if params.generate.samples > 1 and params.generate.temperature == 0:
        raise PipelineError(
            f"{path}: generate.samples = {params.generate.samples}, but with generate.temperature "
            "= 0 every sample of a premise is the same.",
            remedy="set generate.temperature above 0, or generate.samples to 1.",
        )


def read_yaml(path: Path) -> Any:
    """Read one YAML document.

    Raises:
        PipelineError: When the file is missing or is not YAML text.
    """
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PipelineError(
            f"{path} cannot be read: {error.strerror}.",
            remedy="run from the project's folder, or name the file with --params.",
        ) from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise PipelineError(f"{path} is not YAML: {error}", remedy="mend the file.") from error


def faults_of(values: object) -> list[str]:
    """Return what is wrong with the values of all settings, each fault by its full key."""
    try:
        Params.model_validate(values)
    except ValidationError as error:
        return list(_faults(error))
    return []


def _faults(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "the file"
        match fault["type"]:
            case "missing":
                yield f"{key}: not set"
            case "extra_forbidden":
                yield f"{key}: no such setting{_nearest(key)}"
            case _:
                yield f"{key} = {_shown(fault['input'])}: {fault['msg']}"


def _shown(value: object) -> str:
    """Return the beginning of a faulty value, without a password or key that an address holds."""
    text = repr(value)
    if "://" in text:
        text = re.sub(r"[?#].*", "...", re.sub(r"//[^/\s]*@", "//...@", text))
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."


def _nearest(key: str) -> str:
    prefix, _, name = key.rpartition(".")
    section: type[BaseModel] | None = Params
    for part in filter(None, prefix.split(".")):
        fields = {} if section is None else section.model_fields
        section = next(
            (section_of(f.annotation) for n, f in fields.items() if part == (f.alias or n)), None
        )
    names = [] if section is None else [f.alias or n for n, f in section.model_fields.items()]
    return did_you_mean(name, names)
