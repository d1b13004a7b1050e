"""JSON files are read, and written whole or not at all."""

import json
from pathlib import Path
from typing import Any

from stages.errors import PipelineError
from stages.tables.replacing import replacing


def read_json(path: Path) -> Any:
    """Read the JSON file ``path``.

    Raises:
        PipelineError: When it is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PipelineError(
            f"{path} cannot be read as JSON: {error}",
            remedy="run the stage that makes it again.",
        ) from error


def write_json(value: object, path: Path) -> None:
    """Write ``value`` to ``path`` as indented JSON with a final newline, whole or not at all."""
    with replacing(path) as temporary:
        text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
        temporary.write_text(text + "\n", encoding="utf-8")
