"""Answers that a server has been paid for: kept the moment they arrive, never asked for again.

Each model at its address has an SQLite database of its own, with a write-ahead log: what is
committed is there whole, whatever kills the process, a record half written is dropped when it is
opened next, and several processes may read and write at once. (diskcache would
read pickles back; lines in a file would need an index and locks of our own.)
"""

import fcntl
import hashlib
import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from stages.errors import PipelineError
from stages.language_models.servers.replies import Reply
from stages.language_models.servers.usage import Usage

log = logging.getLogger(__name__)

NAME = "answers-1.sqlite"
"""The number is that of the form below: another form gets another file."""
LOCK = "in-use.lock"
"""Held, shared, by every process that has the database open; it dies with its owner."""
TABLES = (
    "CREATE TABLE answers (request BLOB PRIMARY KEY, reply BLOB NOT NULL, checksum BLOB NOT NULL)",
    f"CREATE TABLE spent (work TEXT PRIMARY KEY, {', '.join(f'{n} INT' for n in asdict(Usage()))})",
)
SECONDS_A_TRY, TRIES = 1.0, 30
"""How long another process may hold the database. Short tries, so that Ctrl-C is heard between."""
FLUSH_S = 1.0
"""What is committed survives the process at once, and a power cut once so many seconds passed.

A flush to the disk takes as long as some answers (8 ms here, and a commit 0.07 ms)."""
BROKEN = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged database raises: a message of SQLite that quotes damaged bytes is no text."""
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
REMEDIES = {
    sqlite3.SQLITE_FULL: "free some disk space.",
    sqlite3.SQLITE_BUSY: "another process has held it for long; end that one or wait for it.",
    sqlite3.SQLITE_CORRUPT: "what can be read of it is rescued when the command is run again.",
}
"""By SQLite's code."""
OTHERWISE = "mend the permissions of the folder, or move it away: its answers are then paid again."


def request_digest(url: str, body: Mapping[str, Any]) -> bytes:
    """Return what names a request: SHA-256 of its address and body, the key not among them."""
    asked = json.dumps([url, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(asked.encode()).digest()


def answers_folder(work: Path, model: str) -> Path:
    """Return where below ``work`` the answers of ``model`` (its identity) are kept."""
    return work / "answers" / hashlib.sha256(model.encode()).hexdigest()[:16]


class Answers:
    """The answers of one model at one address, and what each work has spent on them.

    Args:
        folder: Where they are kept; made when it is not there.
        model: Identity of the model, written beside each answer.

    Raises:
        PipelineError: Here and in all methods, when the database cannot be read or written.
    """

    def __init__(self, folder: Path, *, model: str) -> None:
        self._folder, self._model = folder, model
        self._flushed = time.monotonic()
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _shared_lock(folder / LOCK)
            try:
                self._database = self._opened()
            except BaseException:
                self._lock.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection; what was booked is on disk already."""
        self._database.close()
        self._lock.close()

    def find(self, request: bytes) -> Reply | None:
        """Return the answer kept for ``request``; None where there is none or it is damaged."""
        with _explained(self._folder):
            found = self._database.execute(
                "SELECT request, reply, checksum FROM answers WHERE request = ?", (request,)
            ).fetchone()
            if found is None:
                return None
            if _is_whole(found):
                return _reply(found[1])
            log.warning("an answer kept in %s is damaged and is asked for again", self._folder)
            with _transaction(self._database):
                self._database.execute("DELETE FROM answers WHERE request = ?", (request,))
        return None

    def spent(self, work: str) -> Usage:
        """Return what all runs of ``work`` have used so far."""
        with _explained(self._folder):
            found = self._database.execute(
                f"SELECT {', '.join(asdict(Usage()))} FROM spent WHERE work = ?",  # noqa: S608  names of fields
                (work,),
            ).fetchone()
        return Usage(*found) if found else Usage()

    def book(self, work: str, usage: Usage, *, answers: Mapping[bytes, Reply]) -> Usage:
        """Add ``usage`` to what ``work`` has spent and keep ``answers``, both or neither.

        Returns:
            What all runs of ``work`` have used, those of other processes included.
        """
        counts = asdict(usage)
        added = ", ".join(f"{name} = {name} + excluded.{name}" for name in counts)
        rows = [self._row(request, reply) for request, reply in answers.items()]
        with _explained(self._folder):
            with _transaction(self._database):
                self._database.executemany(
                    "INSERT INTO answers VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows
                )
                self._database.execute(
                    f"INSERT INTO spent VALUES (?{', ?' * len(counts)}) "  # noqa: S608  field names
                    f"ON CONFLICT DO UPDATE SET {added}",
                    (work, *counts.values()),
                )
            self._flush()
        return self.spent(work)

    def _flush(self) -> None:
        if time.monotonic() - self._flushed > FLUSH_S:
            self._database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            self._flushed = time.monotonic()

    def _row(self, request: bytes, reply: Reply) -> tuple[bytes, bytes, bytes]:
        arrived = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({**asdict(reply), "model": self._model, "arrived": arrived})
        return request, text.encode(), _checksum(request, text.encode())

    def _opened(self) -> sqlite3.Connection:
        path = self._folder / NAME
        try:
            return _checked(path)
        except BROKEN as error:
            if isinstance(error, sqlite3.Error) and _code(error) not in DAMAGED:
                raise
        self._set_aside(path)
        return _checked(path)

    def _set_aside(self, path: Path) -> None:
        """Begin anew with what can be read; nobody else may be using the damaged database."""
        moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        aside = path.with_name(f"{path.name}.damaged-{moment}")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PipelineError(
                f"{path} is damaged, and another process is using it.",
                remedy="end that one, then run the same command again: what can be read is kept.",
            ) from None
        for ending in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(f"{path}{ending}").rename(f"{aside}{ending}")
        with closing(_checked(path)) as fresh, _transaction(fresh):
            rescued = _rescued(aside, fresh)
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        log.warning(
            "%s was damaged: %s of its answers could be read and are kept, it now is %s",
            *(path, f"{rescued:,}", aside.name),
        )


def _shared_lock(path: Path) -> TextIO:
    while True:
        lock = path.open("a")
        fcntl.flock(lock, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), path.stat()):
                return lock
        lock.close()  # removed in between, by one who looked whether it is held


def _checked(path: Path) -> sqlite3.Connection:
    """Open the database, make its tables where it is new, and look whether it is sound."""
    database = sqlite3.connect(path, timeout=SECONDS_A_TRY, isolation_level=None)
    try:
        _patiently(database, "PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        if not _tables(database):
            with _transaction(database):
                for table in () if _tables(database) else TABLES:
                    database.execute(table)
        sound = database.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)
        if not sound or _tables(database) != set(TABLES):
            raise _damage()
    except BaseException:
        database.close()
        raise
    return database


def _tables(database: sqlite3.Connection) -> set[str]:
    return {sql for (sql,) in database.execute("SELECT sql FROM sqlite_schema") if sql}


def _damage() -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError("the database is damaged")
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _rescued(damaged: Path, fresh: sqlite3.Connection) -> int:
    """Copy what is whole in a damaged database, read from both ends up to the damage."""
    before = fresh.total_changes
    for order in ("ASC", "DESC"):
        with suppress(*BROKEN), closing(sqlite3.connect(damaged)) as database:
            rows = f"SELECT request, reply, checksum FROM answers ORDER BY rowid {order}"  # noqa: S608
            for row in filter(_is_whole, database.execute(rows)):
                fresh.execute("INSERT INTO answers VALUES (?, ?, ?) ON CONFLICT DO NOTHING", row)
    answers = fresh.total_changes - before
    with suppress(*BROKEN), closing(sqlite3.connect(damaged)) as database:
        for row in database.execute("SELECT * FROM spent"):
            places = ", ".join("?" * len(row))
            fresh.execute(f"INSERT OR IGNORE INTO spent VALUES ({places})", row)  # noqa: S608
    return answers


def _is_whole(row: tuple[Any, ...]) -> bool:
    if not all(isinstance(value, bytes) for value in row):
        return False
    request, reply, checksum = row
    return bool(_checksum(request, reply) == checksum)


def _checksum(request: bytes, reply: bytes) -> bytes:
    return hashlib.sha256(request + reply).digest()


def _reply(kept: bytes) -> Reply:
    values = json.loads(kept)
    return Reply(**{name: values[name] for name in Reply.__dataclass_fields__})


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    _patiently(database, "BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):  # SQLite may have rolled back itself, when the disk is full
            database.execute("ROLLBACK")
        raise


def _patiently(database: sqlite3.Connection, statement: str) -> None:
    for number in range(1, TRIES + 1):
        try:
            database.execute(statement)
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or number == TRIES:
                raise
        else:
            return


def _code(error: sqlite3.Error) -> int:
    """Return SQLite's code without what it says about the circumstances."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (*BROKEN, OSError) as error:
        code = _code(error) if isinstance(error, sqlite3.Error) else 0
        raise PipelineError(
            f"the answers kept in {folder} cannot be read or written: {error}.",
            remedy=REMEDIES.get(code, OTHERWISE),
        ) from error
