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

    model: str
    """Its identity; empty where no answer tells it."""
    answers: int


def kept_in(folder: Path) -> KeptAnswers:
    """Return what the folder of one model keeps; nothing is written or waited for."""
    model, answers = "", 0
    with suppress(sqlite3.Error), closing(_for_reading(folder / NAME)) as database:
        (answers,) = database.execute("SELECT count(*) FROM answers").fetchone()
        for (reply,) in database.execute("SELECT reply FROM answers LIMIT 1"):
            with suppress(ValueError, KeyError, TypeError):
                model = str(json.loads(reply)["model"])
    return KeptAnswers(model=model, answers=answers)


def _for_reading(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
