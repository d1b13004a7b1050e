"""How many answers are kept, for people who decide whether to keep them."""

import json
import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from stages.language_models.servers.answers import NAME


@dataclass(frozen=True)
class KeptAnswers:
    """The answers of one model at one address."""

    folder: Path
    model: str
    """Its identity; empty where no answer tells it."""
    answers: int
    size_bytes: int
    """Of all files of the folder, databases set aside included."""


def kept_answers(work: Path) -> list[KeptAnswers]:
    """Return what is kept below ``work``, a folder each; nothing is written or waited for."""
    folders = (folder for folder in (work / "answers").glob("*") if folder.is_dir())
    return [_kept(folder) for folder in sorted(folders)]


def _kept(folder: Path) -> KeptAnswers:
    model, answers = "", 0
    with suppress(sqlite3.Error), closing(_for_reading(folder / NAME)) as database:
        (answers,) = database.execute("SELECT count(*) FROM answers").fetchone()
        for (reply,) in database.execute("SELECT reply FROM answers LIMIT 1"):
            with suppress(ValueError, KeyError, TypeError):
                model = str(json.loads(reply)["model"])
    size = sum(file.stat().st_size for file in folder.iterdir())
    return KeptAnswers(folder=folder, model=model, answers=answers, size_bytes=size)


def _for_reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
