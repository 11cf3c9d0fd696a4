"""The stand-in's init: what test images run in place of Talos, compiled from `probes/standin/`.

No Talos release can be fetched everywhere, so test images have Talos's layout around a small init that does
Talos's first steps and prints its milestones as it does them. It calls itself a stand-in on the console.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bootwright.foundation import tools
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import DATA, cache_dir, source_tree

CARRIED = DATA / "probes" / "standin"
"""Where a wheel may carry the binary."""

_SHARED = ("start.c", "text.c", "system.c")
_HEADERS = ("guest.h", "mounts.h")
# Loads at any granule up to 64K; nothing the compiler could call that is not in the sources.
_FLAGS = (
    *("-Os", "-std=gnu11", "-Wall", "-Wextra", "-ffreestanding", "-nostdlib", "-static", "-fno-pie"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fno-builtin", "-mgeneral-regs-only"),
    *("-Wl,-z,max-page-size=65536", "-Wl,--build-id=none", "-Wl,-s"),
)
_COMPILERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("aarch64-linux-gnu-gcc", ("-no-pie", "-fno-tree-loop-distribute-patterns")),
    ("clang", ("--target=aarch64-linux-gnu", "-fuse-ld=lld", "-no-pie", "-Wno-unused-command-line-argument")),
)


def standin_init() -> Path:
    """The init's binary, compiled if it has to be.

    Raises `Missing` when there is neither a compiler nor a carried binary, `ToolFailed` when it fails.
    """
    tree = source_tree()
    failure: ToolFailed | None = None
    if tree is not None:
        for compiler, own in _compilers():
            try:
                return _compiled(tree / "probes", compiler, own)
            except ToolFailed as error:
                failure = error
    if CARRIED.is_file():
        return CARRIED
    if failure is not None:
        raise failure
    raise Missing(
        "a compiler for arm64 is needed to build the stand-in's init, and none is installed",
        hint="install gcc-aarch64-linux-gnu (or clang and lld), and run from a checkout",
    )


def _compilers() -> Iterator[tuple[Path, tuple[str, ...]]]:
    for name, own in _COMPILERS:
        found = tools.find(name)
        if found is not None and (name != "clang" or tools.find("ld.lld") is not None):
            yield found, own


def _compiled(probes: Path, compiler: Path, own: tuple[str, ...]) -> Path:
    code = [*sorted((probes / "standin").glob("*.c")), *(probes / name for name in _SHARED)]
    others = [*sorted((probes / "standin").glob("*.h")), *(probes / name for name in _HEADERS)]
    digest = hashlib.sha256()
    for path in (*code, *others):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    state = compiler.resolve().stat()
    digest.update(repr((own, _FLAGS, state.st_size, state.st_mtime_ns)).encode())
    path = cache_dir() / "probes" / digest.hexdigest()[:32] / "standin"
    if not path.is_file():
        with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
            output = Path(folder) / "init"
            # Relative names, so that the binary does not depend on where the checkout is.
            names = [each.relative_to(probes).as_posix() for each in code]
            tools.run([compiler, *own, *_FLAGS, "-o", output, *names], cwd=probes, timeout=120)
            write_bytes(path, output.read_bytes())
    return path
