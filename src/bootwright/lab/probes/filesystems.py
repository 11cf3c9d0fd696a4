"""File systems for the guest to mount: made by the real tools on this machine, kept by what made them."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Malformed
from bootwright.foundation.places import cache_dir, data_files

CONTENT = "bootwright\n"
"""What the file `content` in each image holds; the guest reads it back."""


@frozen
class Case:
    """One image to make: see `data/filesystems/`."""

    name: str
    type: str
    modules: tuple[str, ...]
    program: str
    arguments: tuple[str, ...]
    """With `{folder}` and `{image}` for the content and the output."""
    size: int
    """Bytes of the empty image; 0 where the program makes the file."""
    environment: tuple[tuple[str, str], ...]


def cases() -> Iterator[Case]:
    """Every case of every file; raises `Malformed`."""
    for path in data_files("filesystems"):
        try:
            yield from _read(tomllib.loads(path.read_text()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Malformed(
                str(path), None, "a file system's cases", f"{type(error).__name__} {error}"
            ) from error


def _read(table: dict[str, Any]) -> Iterator[Case]:
    for each in table["case"]:
        yield Case(
            name=each["name"],
            type=table["type"],
            modules=tuple(table["modules"]),
            program=table["program"],
            arguments=(*table["arguments"], *each["arguments"], *table.get("last", ())),
            size=int(table.get("size", 0)),
            environment=tuple(sorted(table.get("environment", {}).items())),
        )


def image(case: Case) -> Path:
    """The image, made once for each version of its program; raises `Missing` or `ToolFailed`."""
    program = tools.need(case.program, purpose=f"make the file system {case.name}").resolve()
    state = program.stat()
    identity = (case.arguments, case.size, case.environment, CONTENT, state.st_size, state.st_mtime_ns)
    key = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    kept = cache_dir() / "filesystems" / f"{case.name}-{key}.img"
    if not kept.is_file():
        with tempfile.TemporaryDirectory(prefix="bootwright-") as room:
            folder, made = Path(room) / "content", Path(room) / "image"
            folder.mkdir(mode=0o755)
            (folder / "content").write_text(CONTENT)
            if case.size:
                with made.open("wb") as file:
                    file.truncate(case.size)
            filled = [part.format(folder=folder, image=made) for part in case.arguments]
            tools.run([program, *filled], timeout=60, env=dict(case.environment))
            write_bytes(kept, made.read_bytes())
    return kept
