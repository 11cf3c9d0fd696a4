"""The guest's init: compiled from `probes/` where there is a compiler, else the one the wheel carries."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import DATA, cache_dir, source_tree

CARRIED = DATA / "probes" / "init"
"""The binary that the wheel carries, with the hash of its sources beside it."""

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
class Init:
    """The guest's program."""

    path: Path
    sha256: str
    origin: str
    """The compiler that made it, or `carried by the wheel`."""


def init() -> Init:
    """The guest's init, compiled if it has to be.

    Raises `Missing` when there is neither a compiler nor a carried binary, `ToolFailed` when every
    compiler that is there fails.
    """
    tree = source_tree()
    sources = sorted((tree / "probes").glob("*.[ch]")) if tree else []
    failure: ToolFailed | None = None
    for name, found, own in _compilers() if sources else ():
        key = _key(sources, (str(found), *own, *_FLAGS), found)
        path = cache_dir() / "probes" / key / "init"
        if not path.is_file():
            try:
                write_bytes(path, build(sources, [str(found), *(["cc"] if name == "zig" else [])], own))
            except ToolFailed as error:
                failure = error
                continue
        return _init(path, name)
    if CARRIED.is_file():
        return _init(CARRIED, "carried by the wheel")
    if failure is not None:
        raise failure
    raise Missing(
        "a compiler for arm64 is needed to build the guest's init, and none is installed",
        hint="install gcc-aarch64-linux-gnu (or clang and lld, or zig)",
    )


def build(sources: Sequence[Path], compiler: Sequence[str], own: Sequence[str]) -> bytes:
    """Compile and link; the same sources and compiler give the same bytes."""
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        output = Path(folder) / "init"
        code = [path.name for path in sources if path.suffix == ".c"]
        # Relative names and a fixed folder, so that the binary does not depend on where the checkout is.
        tools.run([*compiler, *own, *_FLAGS, "-o", output, *code], cwd=sources[0].parent, timeout=120)
        return output.read_bytes()


def build_with_any(sources: Sequence[Path]) -> tuple[bytes, str] | None:
    """The binary and its compiler's name, or None where no compiler is installed."""
    for name, found, own in _compilers():
        return build(sources, [str(found), *(["cc"] if name == "zig" else [])], own), name
    return None


def _compilers() -> Iterator[tuple[str, Path, tuple[str, ...]]]:
    for name, own in _COMPILERS:
        found = tools.find(name)
        if found is None or (name == "clang" and tools.find("ld.lld") is None):
            continue
        yield name, found, own


def _init(path: Path, origin: str) -> Init:
    return Init(path, hashlib.sha256(path.read_bytes()).hexdigest(), origin)


def _key(sources: Sequence[Path], flags: Sequence[str], compiler: Path) -> str:
    """Of sources, flags and the compiler's own file (a newer compiler has another size or time)."""
    digest = hashlib.sha256()
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    state = compiler.resolve().stat()
    digest.update("\0".join((*flags, str(state.st_size), str(state.st_mtime_ns))).encode())
    return digest.hexdigest()[:32]
