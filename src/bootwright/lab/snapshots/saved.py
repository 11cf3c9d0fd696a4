"""A snapshot on disk: `memory`, `state`, `kernel`, `console.bin`, and `snapshot.json`, which describes them.

`memory` is the machine's memory as one file with holes, `state` the rest of it as QEMU's migration stream,
`kernel` the kernel's first page, with the header that QEMU looks at; the kernel itself is in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.errors import Malformed
from bootwright.lab.snapshots.door import Door

SCHEMA = "bootwright/snapshot/2"
MEMORY, STATE, KERNEL, CONSOLE, _FACTS = "memory", "state", "kernel", "console.bin", "snapshot.json"
_MOST_FACTS = 1 << 20
_BLOCK = 1 << 20
_HINT = "it is made again by itself; `bootwright cache clear snapshots` removes all"


@frozen
class Snapshot:
    """A machine that waits at the door."""

    key: str
    """Of everything it was made of: kernel, initramfs, machine, arguments, emulator."""
    folder: Path
    memory: int
    """MiB."""
    door: Door
    cpu: str
    """The CPU that init runs on, as the debugger names it."""
    cpu_seconds: float
    """What making it took of the emulator."""


def save(snapshot: Snapshot, console: bytes) -> None:
    """Describe the files that are in the folder already; the facts come last."""
    (snapshot.folder / CONSOLE).write_bytes(console)
    facts = {
        "schema": SCHEMA,
        "key": snapshot.key,
        "memory": snapshot.memory,
        "words_at": snapshot.door.words_at,
        "ready_at": snapshot.door.ready_at,
        "cpu": snapshot.cpu,
        "cpu_seconds": snapshot.cpu_seconds,
        "files": {name: _described(snapshot.folder / name) for name in (MEMORY, STATE, KERNEL)},
    }
    write_text(snapshot.folder / _FACTS, json.dumps(facts, indent=1) + "\n")


def load(folder: Path, key: str) -> Snapshot | None:
    """The snapshot in a folder, None where there is none.

    Raises `Malformed` where it is damaged, cut short or another than `key`. The files' bytes are read only
    where a file was touched since they were last compared.
    """
    facts_path = folder / _FACTS
    try:
        text = facts_path.read_bytes()[:_MOST_FACTS]
    except FileNotFoundError:
        if not folder.exists():
            return None
        raise Malformed(str(folder), None, f"a snapshot with its {_FACTS}", "none", hint=_HINT) from None
    try:
        facts = json.loads(text)
        snapshot = _snapshot(folder, facts)
        files = {name: dict(facts["files"][name]) for name in (MEMORY, STATE, KERNEL)}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__} {str(error)[:200]}"
        raise Malformed(str(facts_path), None, "a snapshot's facts", reason, hint=_HINT) from error
    if snapshot.key != key:
        raise Malformed(str(facts_path), None, f"key {key}", snapshot.key[:80], hint=_HINT)
    checked = {name: _checked(folder / name, described) for name, described in files.items()}
    if checked != files:
        write_text(facts_path, json.dumps({**facts, "files": checked}, indent=1) + "\n")
    return snapshot


def _snapshot(folder: Path, facts: dict[str, Any]) -> Snapshot:
    """Raises `ValueError`, `TypeError` or `KeyError` for facts of another form."""
    if facts["schema"] != SCHEMA:
        message = f"schema {str(facts['schema'])[:60]} instead of {SCHEMA}"
        raise ValueError(message)
    snapshot = Snapshot(
        key=facts["key"],
        folder=folder,
        memory=facts["memory"],
        door=Door(facts["words_at"], facts["ready_at"]),
        cpu=facts["cpu"],
        cpu_seconds=float(facts["cpu_seconds"]),
    )
    numbers = (snapshot.memory, snapshot.door.words_at, snapshot.door.ready_at)
    texts = (snapshot.key, snapshot.cpu)
    if not all(type(number) is int and 0 < number < 1 << 48 for number in numbers):
        message = "a number is out of range"
        raise ValueError(message)
    if not all(isinstance(text, str) for text in texts) or not snapshot.cpu.replace(".", "").isalnum():
        message = "a name is none"
        raise ValueError(message)
    return snapshot


def _checked(path: Path, described: dict[str, Any]) -> dict[str, Any]:
    """`described` with the file's present times; raises `Malformed` where the bytes are others."""
    try:
        if path.stat().st_size != described["size"]:
            expected, actual = f"{described['size']} bytes", f"{path.stat().st_size}"
            raise Malformed(str(path), None, expected, actual, hint=_HINT)
        if _touched(path) == described["touched"]:
            return described
        now = _described(path)
    except OSError as error:
        raise Malformed(str(path), None, "a file of a snapshot", str(error.strerror), hint=_HINT) from error
    if now["sha256"] != described["sha256"]:
        raise Malformed(str(path), None, "the bytes that were saved", "others", hint=_HINT)
    return now


def _touched(path: Path) -> list[int]:
    """What changes when a file is written to: a time of change cannot be set back."""
    state = path.stat()
    return [state.st_ino, state.st_mtime_ns, state.st_ctime_ns]


def _described(path: Path) -> dict[str, Any]:
    return {"size": path.stat().st_size, "touched": _touched(path), "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    """Of the blocks that are not all zeros, each with its place: holes may come and go by copying."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        at = 0
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # ENXIO: only a hole is left
                break
            block = os.pread(file.fileno(), _BLOCK, at)
            if block.count(0) != len(block):
                digest.update(b"%d:" % at)
                digest.update(block)
            at += _BLOCK
    return digest.hexdigest()
