"""File systems for the guest to mount: made by the real tools on this machine, kept by what made them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation import cache, tools
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.structure import key

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


@frozen
class _Blocks:
    """One image of a file."""

    name: str
    arguments: tuple[str, ...]


@frozen
class _FileSystem:
    """One file: a type of file system, and the images that are made of it."""

    type: str
    modules: tuple[str, ...]
    program: str
    arguments: tuple[str, ...]
    cases: tuple[_Blocks, ...] = field(metadata=key("case"))
    last: tuple[str, ...] = ()
    size: int = 0
    environment: Mapping[str, str] = field(factory=dict)


FILESYSTEMS = Kind("filesystems", "a file system's cases", _FileSystem, runs_programs=True)


def cases() -> Iterator[Case]:
    """Every case of every file; raises `Malformed`."""
    for known in FILESYSTEMS.all().values():
        for case in known.cases:
            yield Case(
                name=case.name,
                type=known.type,
                modules=known.modules,
                program=known.program,
                arguments=(*known.arguments, *case.arguments, *known.last),
                size=known.size,
                environment=tuple(sorted(known.environment.items())),
            )


def image(case: Case) -> Path:
    """The image, made once for each version of its program; raises `Missing` or `ToolFailed`."""
    program = tools.need(case.program, purpose=f"make the file system {case.name}").resolve()
    state = program.stat()
    identity = (case.arguments, case.size, case.environment, CONTENT, state.st_size, state.st_mtime_ns)
    key = hashlib.sha256(repr(identity).encode()).hexdigest()[:32]
    return cache.FILESYSTEMS.kept(f"{case.name}-{key}.img", lambda: _made(case, program))


def _made(case: Case, program: Path) -> bytes:
    with temporary_folder() as work:
        folder, made = work / "content", work / "image"
        folder.mkdir(mode=0o755)
        (folder / "content").write_text(CONTENT)
        if case.size:
            with made.open("wb") as file:
                file.truncate(case.size)
        filled = [part.format(folder=folder, image=made) for part in case.arguments]
        tools.run([program, *filled], timeout=60, env=dict(case.environment))
        return made.read_bytes()
