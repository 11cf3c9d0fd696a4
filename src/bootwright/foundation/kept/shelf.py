"""Tables in one file of the cache, of which a question opens only the few rows it needs.

A kernel's module index has 3 MB of rows; a check asks for some two hundred of them. Rows are kept as JSON in
buckets by the hash of their key. The file is: a line of JSON that says where each table's buckets begin, with
a checksum over the rest, then the buckets. It is written once and never changed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field

Tables = Mapping[str, Mapping[str, Any]]
_ROWS = 6
"""Rows in a bucket, about."""
_MAX_BUCKETS = 4096


@define(eq=False)
class Shelf:
    """Tables by name; each is a mapping of texts to JSON values."""

    _body: bytes
    _places: dict[str, list[int]]
    """Table → where each of its buckets begins in the body, and where the last ends."""
    _open: dict[tuple[str, int], dict[str, Any]] = field(factory=dict, init=False)

    def get(self, table: str, key: str) -> Any:  # noqa: ANN401 - what was put in
        """The row of that key, or None."""
        places = self._places.get(table)
        if places is None or len(places) < 2:
            return None
        return self._bucket(table, _hash(key) % (len(places) - 1)).get(key)

    def packed(self, *, form: int) -> bytes:
        """The file's content of this shelf, as `pack`."""
        head = {
            "form": form,
            "checksum": zlib.crc32(self._body),
            "size": len(self._body),
            "tables": self._places,
        }
        return json.dumps(head, separators=(",", ":")).encode() + b"\n" + self._body

    def rows(self, table: str) -> Iterator[tuple[str, Any]]:
        """Every row of a table."""
        for number in range(len(self._places.get(table, [0])) - 1):
            yield from self._bucket(table, number).items()

    def _bucket(self, table: str, number: int) -> dict[str, Any]:
        known = self._open.get((table, number))
        if known is None:
            places = self._places[table]
            known = json.loads(self._body[places[number] : places[number + 1]])
            self._open[table, number] = known
        return known

    @classmethod
    def of(cls, tables: Tables) -> Shelf:
        """A shelf in memory."""
        body, places = _packed(tables)
        return cls(body, places)


def pack(tables: Tables, *, form: int) -> bytes:
    """The file's content; `form` is the number of its user's format."""
    return Shelf.of(tables).packed(form=form)


def load(path: Path, *, form: int) -> Shelf | None:
    """The shelf in a file; None where there is none, it is of another format, or damaged."""
    try:
        return read(path.read_bytes(), form=form)
    except OSError:
        return None


def read(content: bytes, *, form: int) -> Shelf | None:
    """The shelf that a file's content is; None as `load`."""
    try:
        head, _, body = content.partition(b"\n")
        header = json.loads(head)
        if header["form"] != form or header["size"] != len(body) or header["checksum"] != zlib.crc32(body):
            return None
        return Shelf(body, {str(name): list(places) for name, places in header["tables"].items()})
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _packed(tables: Tables) -> tuple[bytes, dict[str, list[int]]]:
    parts: list[bytes] = []
    places: dict[str, list[int]] = {}
    at = 0
    for name, rows in tables.items():
        buckets: list[dict[str, Any]] = [{} for _ in range(min(len(rows) // _ROWS + 1, _MAX_BUCKETS))]
        for key, value in rows.items():
            buckets[_hash(key) % len(buckets)][key] = value
        starts = [at]
        for bucket in buckets:
            parts.append(json.dumps(bucket, separators=(",", ":")).encode())
            at += len(parts[-1])
            starts.append(at)
        places[name] = starts
    return b"".join(parts), places


def _hash(key: str) -> int:
    return zlib.crc32(key.encode("utf-8", "surrogatepass"))
