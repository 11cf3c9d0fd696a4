"""What was there at the last look: `upstream.json` of a run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import cattrs
from attrs import field, frozen

from bootwright.foundation.atomic import write_text
from bootwright.foundation.documents import parse_document, read_kept

SCHEMA = "bootwright/upstream-seen/1"
NAME = "upstream.json"
_MOST_BYTES = 4 << 20


@frozen
class Seen:
    """What a look left behind."""

    branches: Mapping[str, Mapping[str, str]] = field(factory=dict)
    """Upstream → branch → commit."""
    kernels: Mapping[str, list[str]] = field(factory=dict)
    """Source of kernels → names that its list had."""
    looked_at: str = ""
    """UTC, ISO 8601."""
    schema: str = SCHEMA


def read_seen(folder: Path) -> Seen:
    """The last look of a run's folder; an empty one where there was none.

    Raises `Malformed`, and `Missing` where it cannot be read.
    """
    path = folder / NAME
    data = read_kept(path, most=_MOST_BYTES)
    return Seen() if data is None else parse_seen(data, str(path))


def parse_seen(data: bytes, where: str) -> Seen:
    """Read the bytes of an `upstream.json`; raises `Malformed`."""
    hint = "remove it: the next look begins anew"
    return parse_document(data, Seen, where, schema=SCHEMA, most=_MOST_BYTES, hint=hint)


def write_seen(folder: Path, seen: Seen) -> None:
    """Leave a look behind, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / NAME, json.dumps(cattrs.unstructure(seen), indent=1, sort_keys=True) + "\n")
