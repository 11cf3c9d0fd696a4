"""What a boot on a board left behind: `bench.json`, beside the console that `recorder` wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cattrs
from attrs import field, frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.documents import list_kept, parse_document, read_kept
from bootwright.foundation.errors import Missing
from bootwright.foundation.verdict import Verdict

SCHEMA = "bootwright/bench/1"
FACTS = "bench.json"
_MOST_BYTES = 16 << 20


@frozen
class Step:
    """Something that was done."""

    what: str
    seconds: float


@frozen
class Milestone:
    """Something that a boot came past."""

    name: str
    seconds: float
    """Since the board was switched on."""


@frozen
class LineEvent:
    """What became of the serial line."""

    event: str
    offset: int
    """Bytes of the console that had come by then."""
    seconds: float
    why: str


@frozen
class BenchRecord:
    """One boot of one image on one board."""

    board: str
    image: str
    image_sha256: str
    started_at: str
    """When it was switched on: UTC, ISO 8601."""
    verdict: Verdict
    """Of the criteria, where there are any; else of what the console shows."""
    reason: str
    """Why it is not `works`, in one line; empty otherwise."""
    ended: str
    """`reached`, `decided`, `dead end`, `hopeless`, `silent`, `timeout`, `flood`;
    `by hand` where a person told."""
    seconds: float
    """From switching on to the end."""
    switched_on: float
    """When that was, in seconds on the clock of `console.times` and `line`."""
    criteria: dict[str, float | None]
    """Criterion → seconds when it was seen; None where it was not."""
    outcomes: dict[str, Verdict]
    """Goal → what the console proves of it."""
    milestones: list[Milestone]
    steps: list[Step]
    line: list[LineEvent]
    console_bytes: int
    console_sha256: str
    """Empty where there was no serial line."""
    cell: str = ""
    """The cell of a campaign that was booted; empty where it was an image alone."""
    proves: list[str] = field(factory=list)
    """Outcomes of the plan that the criteria decide."""
    still_on: str = ""
    """Why the board could not be switched off; empty where it is off."""
    facts: dict[str, Any] = field(factory=dict)
    """The board, as its engine knows it."""
    schema: str = SCHEMA


def write_record(folder: Path, record: BenchRecord) -> None:
    """Put it beside its console, whole or not at all."""
    text = json.dumps(cattrs.unstructure(record), indent=1, ensure_ascii=False)
    write_text(folder / FACTS, text.encode(errors="replace").decode() + "\n")


def read_record(folder: Path) -> BenchRecord:
    """Raises `Missing`, and `Malformed` for a damaged one."""
    path = folder / FACTS
    data = read_kept(path, most=_MOST_BYTES)
    if data is None:
        raise Missing(f"{folder} holds no boot of a board", hint="bootwright bench run makes one")
    return parse_record(data, str(path))


def list_records(folder: Path) -> list[Path]:
    """The folders in a folder that hold a boot, in order of their names; raises `Missing` as `list_kept`."""
    return [path for path in list_kept(folder) if path.is_dir() and path / FACTS in list_kept(path)]


def parse_record(data: bytes, where: str) -> BenchRecord:
    """Read the bytes of a `bench.json`; raises `Malformed`."""
    return parse_document(data, BenchRecord, where, schema=SCHEMA, most=_MOST_BYTES)
