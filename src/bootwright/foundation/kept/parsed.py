"""The tables of the product's own knowledge files, parsed once and then kept as JSON in the cache.

Parsing TOML was a tenth of a diagnosis, which reads more than two hundred files. What is kept is the table
only, as it stands in the file: the schema is checked at each start, as if it had been parsed then. A table
counts as long as its file's size and times are those it was parsed with; whatever is missing, damaged or of
another file is parsed anew. A user's own files, which are few, are always parsed.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from bootwright.foundation import places
from bootwright.foundation.cache import KNOWLEDGE
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.kept.shelf import Shelf, load, pack

_FORM = 1
_ROWS = "files"
_SETTLED = 2_000_000_000
"""Nanoseconds after a file's last change from which on its table is kept: another change within the grain of
the file system's clock would leave its times as they are."""

Table = dict[str, Any]


def kept_table(
    path: Path, kind: str, siblings: Callable[[], Iterable[Path]], parse: Callable[[Path], Table]
) -> Table | None:
    """The table of one of the product's own files; None where whoever asks must parse it.

    `siblings` are the files of its kind: the tables of all are kept together, as soon as one is asked for.
    """
    if not path.is_relative_to(places.DATA):
        return None
    place = _place(kind)
    try:
        stamp = _stamp(path.stat())
        row = _shelf(place).get(_ROWS, str(path))
        if row is None or row[0] != stamp:
            _keep(place, siblings, parse)
            row = _shelf(place).get(_ROWS, str(path))
        if row is not None and row[0] == stamp and isinstance(row[1], dict):
            return row[1]
    except (OSError, ValueError, LookupError, TypeError):
        pass  # not there, or no shelf of ours: the file itself is read, and says what is wrong with it
    return None


def _place(kind: str) -> Path:
    """Where a kind's tables are kept: several versions of the product may share a cache."""
    installed = zlib.crc32(str(places.DATA).encode("utf-8", "surrogateescape"))
    return KNOWLEDGE.folder() / f"{kind.replace('/', '-')}-{installed:08x}.shelf"


@cache
def _shelf(place: Path) -> Shelf:
    return load(place, form=_FORM) or Shelf.of({})


@cache
def _keep(place: Path, siblings: Callable[[], Iterable[Path]], parse: Callable[[Path], Table]) -> None:
    """Keep the tables of all files of a kind, once for each process at most."""
    rows: dict[str, tuple[list[int], Mapping[str, Any]]] = {}
    for path in siblings():
        with contextlib.suppress(OSError, BootwrightError, TypeError):  # TypeError: dates are no JSON
            status = path.stat()
            if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED:
                table = parse(path)
                json.dumps(table)
                rows[str(path)] = (_stamp(status), table)
    if rows:
        data = pack({_ROWS: rows}, form=_FORM)
        with contextlib.suppress(OSError, BootwrightError):  # a cache that cannot be written is none
            KNOWLEDGE.write(place, data)
        _shelf.cache_clear()


def _stamp(status: os.stat_result) -> list[int]:
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
