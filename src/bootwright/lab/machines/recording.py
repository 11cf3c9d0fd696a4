"""Recordings on disk: `console.bin`, the bytes as they came, and `recording.json`, everything else."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import attrs

from bootwright.foundation.atomic import write_bytes, write_text
from bootwright.foundation.errors import Malformed, Missing
from bootwright.lab.machines.recorded import Recording

SCHEMA = "bootwright/recording/1"
_CONSOLE = "console.bin"
_FACTS = "recording.json"
_MOST_FACTS = 64 << 20


def save(recording: Recording, folder: Path) -> None:
    """Write both files; the facts come last, so that a folder that has them is whole."""
    facts: dict[str, Any] = attrs.asdict(recording)
    del facts["console"]
    facts |= {"schema": SCHEMA, "console_sha256": hashlib.sha256(recording.console).hexdigest()}
    write_bytes(folder / _CONSOLE, recording.console)
    write_text(folder / _FACTS, json.dumps(facts, indent=1, ensure_ascii=False) + "\n")


def load(folder: Path) -> Recording:
    """Read what `save` wrote; raises `Missing` or `Malformed`, also when the console was changed since."""
    facts_path, console_path = folder / _FACTS, folder / _CONSOLE
    try:
        console = console_path.read_bytes()
        with facts_path.open("rb") as file:
            text = file.read(_MOST_FACTS)
    except OSError as error:
        raise Missing(
            f"{folder} holds no recording: {error.strerror}",
            hint="`bootwright boot … --keep FOLDER` writes one",
        ) from error
    try:
        facts = json.loads(text)
        if facts.pop("schema") != SCHEMA:
            raise _malformed(facts_path, f"another schema than {SCHEMA}")
        digest = facts.pop("console_sha256")
        recording = Recording(console=console, **_typed(facts))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise _malformed(facts_path, f"{type(error).__name__} {str(error)[:200]}") from error
    if digest != hashlib.sha256(console).hexdigest():
        raise Malformed(
            str(console_path),
            None,
            f"the bytes that {_FACTS} describes",
            "others",
            hint="the recording was changed or cut short; boot again",
        )
    return recording


def _malformed(path: Path, actual: str) -> Malformed:
    return Malformed(str(path), None, "a recording's facts", actual, hint="boot again")


def _typed(facts: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples they were; raises `TypeError` or `ValueError` for anything else."""
    typed = dict(facts)
    typed["times"] = tuple((int(offset), float(seconds)) for offset, seconds in facts["times"])
    typed["command"] = tuple(_string(part) for part in facts["command"])
    for name in ("wall_seconds", "cpu_seconds"):
        typed[name] = float(facts[name])
    for field in attrs.fields(Recording):
        if field.name not in {"console", "times", "command", "wall_seconds", "cpu_seconds"}:
            # Recordings of earlier versions have no `snapshot`.
            given = facts.get(field.name, "") if field.default == "" else facts[field.name]
            typed[field.name] = _string(given)
    return typed


def _string(value: object) -> str:
    if not isinstance(value, str):
        message = f"{value!r} is not text"
        raise TypeError(message)
    return value
