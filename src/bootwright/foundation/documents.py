"""JSON documents of one schema that bootwright keeps in files, read as strictly as knowledge is."""

from __future__ import annotations

import json
from typing import TypeVar

from bootwright.foundation.errors import Malformed
from bootwright.foundation.structure import structure

T = TypeVar("T")


def parse_document(
    data: bytes, model: type[T], where: str, *, schema: str, most: int, hint: str | None = None
) -> T:
    """An instance of the attrs class `model`, which has a field `schema`, from the bytes of a file.

    `most` bytes are taken at most; `hint` says what to do about a file that cannot be read. Raises
    `Malformed`, which names the key where one is wrong.
    """
    if len(data) > most:
        size = f"{most >> 20} MiB" if most >= 1 << 20 else f"{most >> 10} KiB"
        raise Malformed(where, most, f"at most {size}", "more", hint=hint)
    try:
        table = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Malformed(where, getattr(error, "pos", None), "JSON", str(error)[:200], hint=hint) from error
    given = table.get("schema", schema) if isinstance(table, dict) else schema
    if given != schema:
        raise Malformed(where, None, f"schema {schema}", repr(given)[:80], hint=hint)
    return structure(table, model, where)
