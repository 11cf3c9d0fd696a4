"""JSON documents of one schema that bootwright keeps in files, read as strictly as knowledge is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from bootwright.foundation.errors import Malformed, Missing
from bootwright.foundation.structure import structure

T = TypeVar("T")


def read_kept(path: Path, *, most: int) -> bytes | None:
    """The bytes of a file that bootwright keeps, `most` and one at most; None where it is not there.

    Raises `Missing` where something is there that cannot be read: what was kept is never taken for nothing.
    """
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(path, error) from error


def list_kept(folder: Path, ending: str = "") -> list[Path]:
    """What a folder holds whose name ends so, in order; nothing where there is no such folder.

    Raises `Missing` where it cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if path.name.endswith(ending))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> Missing:
    return Missing(
        f"cannot read {path}: {error.strerror}", hint="check what it is, who owns it, and its permissions"
    )


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
