"""A run's folder: what was recorded, kept so that a killed investigation goes on where it stopped.

`run.sqlite` (WAL) holds one row a finished boot and the catalogue as it was at the start; the consoles
lie beside it in `blobs/`, named by their SHA-256. A blob is on disk before the row that names it, and a
row is one transaction, so whatever the row says is there. One process at a time works on a folder.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from attrs import frozen

from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import BootwrightError, Malformed, Missing, Refused

_VERSION = 1
_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS boot (
    key TEXT PRIMARY KEY,
    facts TEXT NOT NULL,
    console TEXT NOT NULL,
    recorded_at TEXT NOT NULL
) STRICT;
"""
DATABASE: Final = "run.sqlite"
"""Of a run: its boots here, its queue in `lab.workers.queue`."""
_EXPECTED: Final = "a run's database"
_UNREADABLE: Final = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What reading a damaged database raises: of damaged text even the message cannot be decoded."""


@frozen
class Kept:
    """A finished boot, as kept."""

    key: str
    facts: Mapping[str, Any]
    """What was run and how: kernel and probe hashes, emulator, command line, times of the console."""
    console: str
    """SHA-256 of the console's bytes."""
    recorded_at: str
    """UTC, ISO 8601."""


class Store:
    """The folder of one run, locked while it is open; `fresh` forgets what it held.

    Raises `Refused` when another process has it, `Missing` when it cannot be written, `Malformed` when it
    holds something else.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise Missing(
                f"cannot write to {folder}: {error.strerror}", hint="choose another folder with --out"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 32, 0).decode(errors="replace").strip()
            os.close(self._lock)
            raise Refused(
                f"another bootwright (process {holder or '?'}) is working in {folder}",
                hint="wait for it to end, or choose another folder with --out",
            ) from None
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        if fresh:
            self._clear()
        self._open()

    def _open(self) -> None:
        path = self.folder / DATABASE
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_TABLES)
            known = self.get("version")
        except _UNREADABLE as error:
            os.close(self._lock)
            raise explained(error, path, _EXPECTED) from error
        except BootwrightError:
            os.close(self._lock)
            raise
        if known is None:
            self.put("version", str(_VERSION))
        elif known != str(_VERSION):
            self.close()
            raise Refused(
                f"{path} was written by another version of bootwright (format {known}, this one {_VERSION})",
                hint="choose another folder with --out, or start over with --fresh",
            )

    def close(self) -> None:
        """Let go of the folder."""
        self._db.close()
        os.close(self._lock)

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _clear(self) -> None:
        for path in [*self.folder.glob("run.sqlite*"), *(self.folder / "blobs").glob("*/*")]:
            path.unlink(missing_ok=True)

    def get(self, name: str) -> str | None:
        """A value kept under a name, or None."""
        rows = self._rows("SELECT value FROM meta WHERE name = ?", (name,))
        return next((str(row[0]) for row in rows), None)

    def put(self, name: str, value: str) -> None:
        """Keep a value under a name."""
        self._execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def keep(self, key: str, facts: Mapping[str, Any], console: bytes, recorded_at: str) -> None:
        """Record a finished boot; what is already there under `key` stays."""
        digest = hashlib.sha256(console).hexdigest()
        path = self._blob(digest)
        if not path.exists():
            write_bytes(path, console)
        self._execute(
            "INSERT OR IGNORE INTO boot VALUES (?, ?, ?, ?)",
            (key, json.dumps(facts, sort_keys=True), digest, recorded_at),
        )

    def find(self, key: str) -> Kept | None:
        """The boot recorded under `key`, or None."""
        return next((self._kept(row) for row in self._rows("SELECT * FROM boot WHERE key = ?", (key,))), None)

    def boots(self) -> Iterator[Kept]:
        """Every boot recorded, in the order they ended."""
        yield from (self._kept(row) for row in self._rows("SELECT * FROM boot ORDER BY rowid"))

    def _kept(self, row: tuple[Any, ...]) -> Kept:
        if not all(isinstance(text, str) for text in row):
            # SQLite gives NULL for a column whose place in the record is damaged, NOT NULL or not.
            raise _damaged(self.folder / DATABASE, f"boot {row[0]}: not the columns of a boot")
        try:
            return Kept(row[0], json.loads(row[1]), row[2], row[3])
        except ValueError as error:
            raise _damaged(self.folder / DATABASE, f"boot {row[0]}: {error}") from error

    def console(self, kept: Kept) -> bytes:
        """The console's bytes; raises `Malformed` when they are not the ones that were recorded."""
        path = self._blob(kept.console)
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        if hashlib.sha256(data).hexdigest() != kept.console:
            raise Malformed(
                str(path), None, f"the console of {kept.key}", "other bytes", hint="start over with --fresh"
            )
        return data

    def _rows(self, statement: str, values: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._db.execute(statement, values)
        except _UNREADABLE as error:
            raise explained(error, self.folder / DATABASE, _EXPECTED) from error

    def _execute(self, statement: str, values: tuple[str, ...]) -> None:
        try:
            self._db.execute(statement, values)
        except _UNREADABLE as error:
            raise explained(error, self.folder / DATABASE, _EXPECTED) from error

    def _blob(self, digest: str) -> Path:
        return self.folder / "blobs" / digest[:2] / digest


def working_in(folder: Path) -> str | None:
    """The process that has a run's folder open, as text; None where none has."""
    try:
        lock = os.open(folder / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return os.pread(lock, 32, 0).decode(errors="replace").strip() or "?"
    finally:
        os.close(lock)
    return None


def explained(error: Exception, path: Path, expected: str) -> BootwrightError:
    """What an error of SQLite on a run's database means: no space left, or that it is damaged."""
    # The low byte is the primary result code (https://www.sqlite.org/rescode.html).
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
        return Missing(
            f"no space left to write {path}", hint="free some space, or choose a larger disk with --out"
        )
    return _damaged(path, str(error), expected)


def _damaged(path: Path, what: str, expected: str = _EXPECTED) -> Malformed:
    return Malformed(str(path), None, expected, what, hint="start over with --fresh, or choose another --out")
