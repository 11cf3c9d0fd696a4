"""Boards that are on: one process at a time uses one, and whoever comes next switches off what was left on.

A file in `$XDG_STATE_HOME/bootwright/bench` says that a board was switched on; it goes when the board is off.
A lock beside it ends with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from attrs import asdict, frozen

from bootwright.bench.board import Board
from bootwright.foundation.atomic import explained, write_text
from bootwright.foundation.documents import list_kept, parse_document
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.places import state_dir
from bootwright.foundation.progress import Progress

SCHEMA = "bootwright/powered/1"
_MOST_BYTES = 1 << 16
PLACE = "LG_PLACE"
"""The variable by which environment files for many places name one (labgrid's documentation, `!template`)."""


@frozen
class LeftOn:
    """A board that a process switched on, and did not switch off."""

    board: str
    """Its name, for people."""
    environment: str
    """The environment file by which it is switched."""
    target: str
    since: str
    """UTC, ISO 8601."""
    acquired: bool = False
    """Whether its place was acquired by that process, which could not release it."""
    place: str = ""
    """What the environment file's `$LG_PLACE` stood for; empty where it was not set."""
    schema: str = SCHEMA


@frozen
class Claim:
    """A board that this process uses."""

    left_on: LeftOn
    path: Path

    def is_on(self) -> None:
        """Note that it may be on from now."""
        write_text(self.path, json.dumps(asdict(self.left_on)) + "\n")

    def is_off(self) -> None:
        """Note that it is off."""
        self.path.unlink(missing_ok=True)


def state_folder() -> Path:
    """Where it is noted."""
    return state_dir() / "bench"


@contextlib.contextmanager
def claimed(key: str, left_on: LeftOn) -> Iterator[Claim]:
    """Use a board; `key` is the same for whoever means the same one. Raises `Refused` where it is in use.

    `left_on` is what is noted while it may be on.
    """
    folder = state_folder()
    stem = hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    with _lock(folder / f"{stem}.lock") as is_ours:
        if not is_ours:
            holder = _holder(folder / f"{stem}.lock")
            raise Refused(
                f"another bootwright (process {holder}) uses {left_on.board}", hint="wait for it to end"
            )
        yield Claim(left_on, folder / f"{stem}.json")


def switch_off_left_on(reach: Callable[[LeftOn], Board], progress: Progress) -> list[str]:
    """Switch off every board that a process left on when it was killed; the names of those that are off now.

    `reach` opens one. What cannot be reached is noted, and tried again by the next start.
    """
    names: list[str] = []
    folder = state_folder()
    for path in list_kept(folder, ".json"):
        with _lock(path.with_suffix(".lock")) as is_ours:
            if not is_ours or not path.exists():
                continue
            try:
                left_on = read_left_on(path)
                board = reach(left_on)
                try:
                    board.power_off()
                finally:
                    board.close()
            except BootwrightError as error:
                progress.note(f"a board was left powered on and cannot be switched off: {error.message}")
                progress.note(f"  if it is off, remove {path}")
                continue
            path.unlink(missing_ok=True)
            names.append(left_on.board)
            progress.note(f"{left_on.board} was left powered on ({left_on.since}): switched off")
    return names


@contextlib.contextmanager
def meaning_place(place: str) -> Iterator[None]:
    """While the block runs, `$LG_PLACE` of environment files stands for this place."""
    before = os.environ.get(PLACE)
    os.environ[PLACE] = place
    try:
        yield
    finally:
        if before is None:
            del os.environ[PLACE]
        else:
            os.environ[PLACE] = before


def read_left_on(path: Path) -> LeftOn:
    """Raises `Malformed`, `Missing`."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check the permissions") from error
    return parse_left_on(data, str(path))


def parse_left_on(data: bytes, where: str) -> LeftOn:
    """Read the bytes of what was noted of a board; raises `Malformed`."""
    return parse_document(data, LeftOn, where, schema=SCHEMA, most=_MOST_BYTES)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Whether this process has it now."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise explained(error, path) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        os.truncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield True
    finally:
        os.close(handle)


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()[:20] or "?"
    except OSError:
        return "?"
