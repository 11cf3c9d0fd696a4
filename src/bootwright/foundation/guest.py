"""Programs that run inside a guest: compiled from `probes/`, or carried by the wheel.

They need no library and no loader, so one static binary runs as the first process of any arm64 system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.cache import PROBES
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import DATA, source_tree
from bootwright.foundation.processes.work_folder import temporary_folder

CARRIED = DATA / "probes"
"""Where a wheel carries the binaries, by name."""

PROGRAMS: dict[str, tuple[str, ...]] = {
    "init": ("*.[ch]",),
    "standin": ("standin/*.[ch]", "guest.h", "mounts.h", "start.c", "text.c", "system.c"),
    "early": ("early/*.[ch]",),
    "zboot": ("zboot/*.[ch]",),
    "gallery": ("gallery/*.[ch]", "guest.h", "start.c", "text.c", "system.c"),
    "modprobe": ("modprobe/*.[ch]", "load.[ch]", "guest.h", "start.c", "text.c"),
}
"""What each is made of, below `probes/`: the lab's init, Talos's stand-in, the loader of early modules, the
init of the gallery of failures, what a kernel runs to load a module."""

# Loads at any granule up to 64K; nothing the compiler could call that is not in the sources.
_FLAGS = (
    *("-Os", "-std=gnu11", "-Wall", "-Wextra", "-ffreestanding", "-nostdlib", "-static", "-fno-pie"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-builtin", "-mgeneral-regs-only"),
    *("-Wl,-z,max-page-size=65536", "-Wl,--build-id=none", "-Wl,-s"),
)
_COMPILERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("aarch64-linux-gnu-gcc", ("-no-pie", "-fno-tree-loop-distribute-patterns")),
    ("clang", ("--target=aarch64-linux-gnu", "-fuse-ld=lld", "-no-pie", "-Wno-unused-command-line-argument")),
    (
        "zig",
        (
            "--target=aarch64-linux-none",
            "-Wno-unused-command-line-argument",
            "-fno-sanitize=undefined",
            "-Wl,--no-gc-sections",
        ),
    ),
)


@frozen
class Program:
    """A guest's program."""

    path: Path
    sha256: str
    origin: str
    """The compiler that made it, or `carried by the wheel`."""


def program(name: str, *, added: Sequence[Path] = ()) -> Program:
    """One of `PROGRAMS`, compiled if it has to be, with further C files linked into it.

    Raises `Missing` when there is neither a compiler nor a carried binary, or a file to add is not there,
    and `ToolFailed` when every compiler that is there fails.
    """
    tree = source_tree()
    if added:
        return _with_added(name, added, tree)
    sources = sources_of(name, tree / "probes") if tree else []
    failure: ToolFailed | None = None
    for compiler, program, own in _compilers() if tree and sources else ():
        assert tree is not None  # noqa: S101 - there are sources
        path = PROBES.folder() / _key(sources, (str(program), *own, *_FLAGS), program) / name
        if not path.is_file():
            try:
                write_bytes(path, build(sources, _command(compiler, program), own, tree / "probes"))
            except ToolFailed as error:
                failure = error
                continue
        return _program(path, compiler)
    if (CARRIED / name).is_file():
        return _program(CARRIED / name, "carried by the wheel")
    if failure is not None:
        raise failure
    raise Missing(
        f"a compiler for arm64 is needed to build the guest's {name}, and none is installed",
        hint="install gcc-aarch64-linux-gnu (or clang and lld, or zig)",
    )


def _with_added(name: str, added: Sequence[Path], tree: Path | None) -> Program:
    """The program built in a copy of its sources, where the added files can include its headers."""
    if tree is None:
        raise Missing(
            f"the guest's {name} cannot be built with further probes: its sources are not here",
            hint="run bootwright from a checkout of its sources",
        )
    for path in added:
        if not path.is_file():
            raise Missing(f"there is no source {path} of a probe", hint="correct its entry point")
    sources = [*sources_of(name, tree / "probes"), *added]
    for compiler, program, own in _compilers():
        path = PROBES.folder() / _key(sources, (str(program), *own, *_FLAGS), program) / name
        if not path.is_file():
            with temporary_folder() as folder:
                copies = [folder / source.name for source in sources_of(name, tree / "probes")]
                copies += [folder / f"added-{number}-{source.name}" for number, source in enumerate(added)]
                for source, copy in zip(sources, copies, strict=True):
                    copy.write_bytes(source.read_bytes())
                write_bytes(path, build(copies, _command(compiler, program), own, folder))
        return _program(path, compiler)
    raise Missing(
        f"a compiler for arm64 is needed to build the guest's {name}, and none is installed",
        hint="install gcc-aarch64-linux-gnu (or clang and lld, or zig)",
    )


def sources_of(name: str, probes: Path) -> list[Path]:
    """The files a program is made of, sorted."""
    return sorted(path for pattern in PROGRAMS[name] for path in probes.glob(pattern))


def build(sources: Sequence[Path], compiler: Sequence[str], own: Sequence[str], folder: Path) -> bytes:
    """Compile and link sources below `folder`; the same sources and compiler give the same bytes."""
    with temporary_folder() as work:
        output = work / "program"
        code = [path.relative_to(folder).as_posix() for path in sources if path.suffix == ".c"]
        # Relative names and a fixed folder, so that the binary does not depend on where the checkout is.
        tools.run([*compiler, *own, *_FLAGS, "-o", output, *code], cwd=folder, timeout=120)
        return output.read_bytes()


def build_with_any(sources: Sequence[Path], folder: Path | None = None) -> tuple[bytes, str] | None:
    """The binary and its compiler's name, or None where no compiler is installed."""
    for name, program, own in _compilers():
        return build(sources, _command(name, program), own, folder or sources[0].parent), name
    return None


def _command(name: str, program: Path) -> list[str]:
    return [str(program), *(["cc"] if name == "zig" else [])]


def _compilers() -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    for name, own in _COMPILERS:
        program = tools.find(name)
        if program is None or (name == "clang" and tools.find("ld.lld") is None):
            continue
        yield name, program, own


def _program(path: Path, origin: str) -> Program:
    return Program(path, hashlib.sha256(path.read_bytes()).hexdigest(), origin)


def _key(sources: Sequence[Path], flags: Sequence[str], compiler: Path) -> str:
    """Of sources, flags and the compiler's own file (a newer compiler has another size or time)."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    state = compiler.resolve().stat()
    digest.update("\0".join((*flags, str(state.st_size), str(state.st_mtime_ns))).encode())
    return digest.hexdigest()[:32]
