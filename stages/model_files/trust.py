"""What a folder of model files may hold: weights that are plain numbers, and nothing that runs.

Every loader asks here before it opens anything. Safetensors are numbers with a header; pickles can
run code when they are read, and so does a configuration that names classes of its own.
"""

import json
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from stages.errors import PipelineError

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".dill")
FOREIGN = (*PICKLED, ".h5", ".hdf5", ".keras", ".msgpack")
"""Pickles, and weights of other frameworks."""
CODE = (".py", ".pyc", ".so", ".sh", ".exe", ".dll")
SAFETENSORS, GGUF = ".safetensors", ".gguf"
WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
MOST_FILES = 10_000
"""More are no folder of one model."""
LARGEST_CONFIG = 16 * 1024**2
LARGEST_HEADER = 16 * 1024**2
"""Bytes; a header lists tensors by name and place, some hundred bytes each."""
ST = "sentence_transformers."
NATIVE = "take a model whose architecture transformers and sentence-transformers know themselves."
SAFE = "take a revision of the model that has safetensors (or, for a language model, GGUF)."


def require_trusted(folder: Path, *, called: str | None = None) -> None:
    """Check everything in ``folder`` that a loader would read.

    Pickled weights beside safetensors are let be, for nothing ever opens them; hidden files too.

    Args:
        folder: Of one model.
        called: What the user calls it, where that is not its path.

    Raises:
        PipelineError: When its weights are pickled, a configuration names foreign code, a header
            of safetensors is wrong, or something in it is neither file nor folder.
    """
    place = called or str(folder)
    files = list(regular_files(folder, place=place))
    _refuse_pickled(files, folder, place)
    for file in files:
        where = f"{place}: {file.relative_to(folder)}"
        name = file.name.lower()
        if name.endswith(SAFETENSORS):
            check_safetensors(file, where=where)
        elif name.endswith(".safetensors.index.json"):
            _check_index(file, where)
        elif name == "modules.json" or ("config" in name and name.endswith(".json")):
            _check_configuration(file, where)


def regular_files(folder: Path, *, place: str) -> Iterator[Path]:
    """Yield the files below ``folder``, links to files included, in the order of their names.

    Raises:
        PipelineError: When there are too many, or something is a device, a pipe or a socket.
    """
    count = 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for linked in (name for name in folders if Path(root, name).is_symlink()):
            raise PipelineError(
                f"{place}: {Path(root, linked).relative_to(folder)} is a link to a folder.",
                remedy="put the folder itself there.",
            )
        for name in sorted(name for name in names if not name.startswith(".")):
            count += 1
            if count > MOST_FILES:
                raise PipelineError(
                    f"{place} holds more than {MOST_FILES:,} files, so it is not one model.",
                    remedy="name the folder of the model itself.",
                )
            file = Path(root, name)
            if file.exists() and not stat.S_ISREG(file.stat().st_mode):
                raise PipelineError(
                    f"{place}: {file.relative_to(folder)} is a device, a pipe or a socket.",
                    remedy="do not use this folder: a model consists of plain files.",
                )
            if file.exists():
                yield file


def check_safetensors(file: Path, *, where: str) -> None:
    """Check that the header of ``file`` describes exactly the bytes that follow it.

    Args:
        file: A safetensors file.
        where: What it is called in errors.

    Raises:
        PipelineError: When it does not.
    """
    from safetensors import SafetensorError, safe_open

    again = "fetch it again; a Git LFS pointer, for one, is not the file it points to."
    try:
        with file.open("rb") as opened:
            beginning = opened.read(8)
        claimed = int.from_bytes(beginning, "little")
        if len(beginning) < 8 or claimed > min(LARGEST_HEADER, file.stat().st_size - 8):
            raise PipelineError(
                f"{where} is no safetensors file: its header claims {claimed:,} bytes.",
                remedy=again,
            )
        with safe_open(file, framework="numpy"):
            pass
    except (OSError, ValueError, SafetensorError) as error:
        raise PipelineError(f"{where} is no safetensors file: {error}", remedy=again) from error


def _refuse_pickled(files: list[Path], folder: Path, place: str) -> None:
    """Refuse weights that a loader might take for want of safe ones."""
    is_safe = any(file.name.lower().endswith((SAFETENSORS, GGUF)) for file in files)
    # A module of sentence-transformers without these falls back to pytorch_model.bin.
    preferred = {file.parent for file in files if file.name in (WEIGHTS, INDEX)}
    for file in files:
        name = file.name.lower()
        by_name = name.startswith("pytorch_model") and name.endswith(PICKLED)
        if (by_name and file.parent not in preferred) or (name.endswith(FOREIGN) and not is_safe):
            raise PipelineError(
                f"{place} has its weights as {file.relative_to(folder)}; only safetensors and GGUF "
                "are loaded, for pickles can run code.",
                remedy=SAFE,
            )


def _check_index(file: Path, where: str) -> None:
    index = _parsed(file, where)
    shards = index.get("weight_map") if isinstance(index, Mapping) else None
    if not isinstance(shards, Mapping) or not shards:
        raise PipelineError(f"{where} has no weight_map.", remedy="fetch the model again.")
    for shard in set(map(str, shards.values())):
        if "/" in shard or "\\" in shard or not shard.endswith(SAFETENSORS):
            raise PipelineError(
                f"{where} names {shard!r}, which is no safetensors file beside it.", remedy=SAFE
            )


def _check_configuration(file: Path, where: str) -> None:
    if file.name == "adapter_config.json":
        raise PipelineError(
            f"{where} makes this an adapter, whose weights lie elsewhere.",
            remedy="merge it into its base model and save that as safetensors.",
        )
    names_modules = file.name in ("modules.json", "router_config.json")
    for key, value in _entries(_parsed(file, where)):
        if fault := _fault(key, value) or (names_modules and _foreign_module(key, value)):
            raise PipelineError(
                f"{where} names code of its own ({key}: {fault}), which is never run.",
                remedy=NATIVE,
            )
        if names_modules and key == "path" and _leaves(value):
            raise PipelineError(
                f"{where} names {value!r}, which is not inside the folder.",
                remedy="do not use this model.",
            )


def _fault(key: str, value: Any) -> str | None:
    """Return what is foreign about one entry of a configuration, None where nothing is."""
    match key:
        case "auto_map" | "custom_pipelines" | "trust_remote_code" if value:
            return str(value)[:80]
        case "attn_implementation" | "_attn_implementation" if "/" in str(value):
            return str(value)[:80]  # a repository of compiled kernels
        case "activation_function" if "." in str(value) and not str(value).startswith("torch.nn."):
            return str(value)[:80]
    return None


def _foreign_module(key: str, value: Any) -> str | None:
    values = list(value.values()) if key == "types" and isinstance(value, dict) else [value]
    if key not in ("type", "types"):
        return None
    foreign = [one for one in values if not (isinstance(one, str) and one.startswith(ST))]
    return str(foreign[0])[:80] if foreign else None


def _leaves(path: Any) -> bool:
    if not isinstance(path, str) or path.startswith(("/", "\\")):
        return True
    return any(part.startswith(".") for part in Path(path).parts)  # hidden ones are not looked at


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield every key with its value, however deep."""
    todo = [value]
    while todo:
        found = todo.pop()
        if isinstance(found, dict):
            yield from found.items()
            todo += found.values()
        elif isinstance(found, list):
            todo += found


def _parsed(file: Path, where: str) -> Any:
    try:
        if file.stat().st_size > LARGEST_CONFIG:
            message = f"it is larger than {LARGEST_CONFIG:,} bytes"
            raise ValueError(message)
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(
            f"{where} cannot be read as JSON: {error}", remedy="fetch the model again."
        ) from error
