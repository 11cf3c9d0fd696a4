"""The leased queue of a run: which cells are to be done, who does each, and what became of it.

A table of the run's own database (`run.sqlite`). A cell is leased to a worker until a deadline; a lease that
ends without an answer puts the cell back, at most `MOST_ATTEMPTS` times, and then the cell is quarantined
with every reason. Answers are not kept here: whoever leases keeps the answer first and calls `finish` after,
so that whatever is `done` is there.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any

from attrs import frozen

from bootwright.foundation.run_folder import DATABASE, explained

MOST_ATTEMPTS = 5
"""Leases of one cell that may end without an answer: where chance ends a quarter of all, one cell in a
thousand is given up wrongly; one that ends its workers costs five."""
_MOST_REASON = 300
_TABLE = """
CREATE TABLE IF NOT EXISTS cell (
    name TEXT PRIMARY KEY,
    work TEXT NOT NULL,
    wants TEXT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    worker TEXT NOT NULL,
    deadline REAL NOT NULL,
    reasons TEXT NOT NULL
) STRICT;
"""
_COLUMNS = "name, work, wants, state, attempts, worker, deadline, reasons"


class CellState(StrEnum):
    """Where a cell of the queue is."""

    QUEUED = "queued"
    LEASED = "leased"
    DONE = "done"
    QUARANTINED = "quarantined"
    """Given up after repeated failure; `Queue.release` puts it back."""


@frozen
class QueuedCell:
    """A row of the queue."""

    name: str
    work: Mapping[str, Any]
    """What is to be done, for whoever does it."""
    wants: Mapping[str, str]
    """Tags that the place must have, such as `board`; none: any worker will do."""
    state: CellState
    attempts: int
    """Leases that ended without an answer, and the one that is held now."""
    worker: str
    """Who has it, or had it last."""
    deadline: float
    """Seconds since 1970 at which the lease ends; 0 without one."""
    reasons: tuple[str, ...]
    """Why each lease ended without an answer."""

    def as_json(self) -> dict[str, object]:
        """An entry of `queue` in docs/schemas/status.schema.json."""
        return {
            "name": self.name,
            "state": self.state.value,
            "attempts": self.attempts,
            "worker": self.worker,
            "reasons": list(self.reasons),
        }


class Queue:
    """The queue in a run's folder, whose lock the caller has. Raises `Malformed` for a damaged database."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE
        with _explained(self._path):
            self._db = sqlite3.connect(self._path, isolation_level=None, timeout=10)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(_TABLE)

    def close(self) -> None:
        """Let go of the database."""
        self._db.close()

    def __enter__(self) -> Queue:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add(
        self,
        name: str,
        work: Mapping[str, Any],
        wants: Mapping[str, str] | None = None,
        *,
        unanswered: bool = False,
    ) -> None:
        """Queue a cell; one that is there keeps its state, so that a quarantined one stays so.

        `unanswered` says that its answer is not kept, whatever the queue says: a done one is queued again.
        """
        row = (name, json.dumps(dict(work)), json.dumps(dict(wants or {})), CellState.QUEUED.value)
        self._run(
            "INSERT INTO cell VALUES (?, ?, ?, ?, 0, '', 0, '[]') "
            "ON CONFLICT (name) DO UPDATE SET work = excluded.work, wants = excluded.wants",
            row,
        )
        if unanswered:
            self._run(
                "UPDATE cell SET state = 'queued', attempts = 0 WHERE name = ? AND state = 'done'", (name,)
            )

    def reclaim(self, names: Iterable[str] | None = None) -> int:
        """Put back what a dispatcher that is gone had leased of these cells [all]; blames no cell for it.

        Returns how many there were.
        """
        statement = (
            "UPDATE cell SET state = 'queued', attempts = attempts - 1, deadline = 0 WHERE state = 'leased'"
        )
        if names is None:
            return self._run(statement).rowcount
        return sum(self._run(f"{statement} AND name = ?", (name,)).rowcount for name in names)

    def lease(self, name: str, worker: str, seconds: float) -> bool:
        """Give a queued cell to a worker for so long; False where it is no longer queued."""
        changed = self._run(
            "UPDATE cell SET state = 'leased', attempts = attempts + 1, worker = ?, deadline = ? "
            "WHERE name = ? AND state = 'queued'",
            (worker, time.time() + seconds, name),
        )
        return changed.rowcount == 1

    def finish(self, name: str) -> None:
        """A leased cell has its answer."""
        self._run("UPDATE cell SET state = 'done', deadline = 0 WHERE name = ?", (name,))

    def give_back(self, name: str, reason: str) -> CellState:
        """A lease ended without an answer: queued again, or quarantined after `MOST_ATTEMPTS`."""
        cell = self.get(name)
        if cell is None:
            raise KeyError(name)
        state = CellState.QUARANTINED if cell.attempts >= MOST_ATTEMPTS else CellState.QUEUED
        reasons = [*cell.reasons, reason[:_MOST_REASON]][-MOST_ATTEMPTS:]
        self._run(
            "UPDATE cell SET state = ?, deadline = 0, reasons = ? WHERE name = ?",
            (state.value, json.dumps(reasons), name),
        )
        return state

    def quarantine(self, name: str, reason: str) -> None:
        """Give a cell up at once: nothing that is there can do it."""
        self._run(
            "UPDATE cell SET state = 'quarantined', deadline = 0, reasons = ? WHERE name = ?",
            (json.dumps([reason[:_MOST_REASON]]), name),
        )

    def release(self) -> int:
        """Queue every quarantined cell anew, and count them."""
        return self._run(
            "UPDATE cell SET state = 'queued', attempts = 0 WHERE state = 'quarantined'"
        ).rowcount

    def get(self, name: str) -> QueuedCell | None:
        """A cell, or None."""
        return next(self._rows(" WHERE name = ?", (name,)), None)

    def cells(self, state: CellState | None = None) -> list[QueuedCell]:
        """The cells in a state [all]: those tried least often first, then in the order they were added.

        So what failed waits until whatever was wrong with its worker may be over.
        """
        if state is None:
            return list(self._rows(" ORDER BY attempts, rowid"))
        return list(self._rows(" WHERE state = ? ORDER BY attempts, rowid", (state.value,)))

    def _rows(self, rest: str, values: tuple[str, ...] = ()) -> Iterator[QueuedCell]:
        with _explained(self._path):
            yield from (_cell(row) for row in self._run(f"SELECT {_COLUMNS} FROM cell{rest}", values))  # noqa: S608 - no user's text

    def _run(self, statement: str, values: Iterable[object] = ()) -> sqlite3.Cursor:
        with _explained(self._path):
            return self._db.execute(statement, tuple(values))


def read_queue(folder: Path) -> list[QueuedCell]:
    """The cells of a run's queue, also while another process works on it; nothing is changed.

    Empty where the run has none. Raises `Malformed` for a damaged database.
    """
    path = folder / DATABASE
    if not path.is_file():
        return []
    with _explained(path):
        # On a file system that cannot be written, SQLite needs to be told that nobody else writes.
        for mode in ("mode=ro", "immutable=1"):
            with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as db:
                try:
                    known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'cell'").fetchone()
                    if known is None:
                        return []
                    rows = db.execute(f"SELECT {_COLUMNS} FROM cell ORDER BY rowid")  # noqa: S608 - no user's text
                    return [_cell(row) for row in rows]
                except sqlite3.OperationalError:
                    if mode == "immutable=1":
                        raise
    return []


def _cell(row: tuple[Any, ...]) -> QueuedCell:
    name, work_text, wants_text, state, attempts, worker, deadline, reasons_text = row
    texts = (name, work_text, wants_text, state, worker, reasons_text)
    if not all(isinstance(text, str) for text in texts) or type(attempts) is not int:
        # SQLite gives NULL for a column whose place in the record is damaged, NOT NULL or not.
        message = f"cell {name}: not the columns of a cell"
        raise ValueError(message)
    work, wants, reasons = json.loads(work_text), json.loads(wants_text), json.loads(reasons_text)
    if not (isinstance(work, dict) and isinstance(wants, dict) and isinstance(reasons, list)):
        message = f"cell {name}: not the JSON of a cell"
        raise ValueError(message)
    return QueuedCell(
        name=name,
        work=work,
        wants={str(tag): str(value) for tag, value in wants.items()},
        state=CellState(state),
        attempts=attempts,
        worker=worker,
        deadline=deadline,
        reasons=tuple(str(reason) for reason in reasons),
    )


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.DatabaseError, ValueError) as error:
        raise explained(error, path, "a run's queue") from error
