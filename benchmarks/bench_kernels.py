"""Getting and reading kernels, against the whole package and against modinfo(8).

Needs the archive (or the cache, after the first run). Prints ratios; smaller is better.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path

from bootwright.formats.modules.modinfo import read_module
from bootwright.foundation import tools
from bootwright.kernels.catalogue import open_library

KERNEL = "debian-6.12-4k"
WITH_MODULES = "debian-6.18-4k"
SAMPLE = 8


def front() -> None:
    """Bytes received and seconds, for a kernel to boot, against the package it comes in."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("BOOTWRIGHT_CACHE")
        os.environ["BOOTWRIGHT_CACHE"] = folder
        try:
            library = open_library()
            entry = library.resolve(KERNEL)
            listing = library.received_bytes
            started = time.monotonic()
            library.get(KERNEL)
            seconds = time.monotonic() - started
            received = library.received_bytes - listing
        finally:
            os.environ.pop("BOOTWRIGHT_CACHE")
            if before is not None:
                os.environ["BOOTWRIGHT_CACHE"] = before
    print(f"{entry.name}: {received / 1e6:.1f} MB in {seconds:.1f} s; package list {listing / 1e6:.1f} MB")
    print(
        f"  bytes / whole package ({entry.modules_bytes / 1e6:.1f} MB): {received / entry.modules_bytes:.3f}"
    )


def modinfo() -> None:
    """CPU seconds to read .modinfo of every eighth module, against modinfo(8) on the same files."""
    kernel = open_library().get(WITH_MODULES, modules=True)
    assert kernel.modules is not None
    files: list[Path] = sorted(kernel.modules.rglob("*.ko*"))[::SAMPLE]
    ratios = []
    for _ in range(3):
        started = time.process_time()
        aliases = sum(len(read_module(path).aliases) for path in files)
        ours = time.process_time() - started
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said = tools.run(["modinfo", "-F", "alias", *files])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        theirs = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
        assert len(said.splitlines()) == aliases
        ratios.append(ours / theirs)
    print(f"{kernel.name}: .modinfo of {len(files)} modules, {aliases} aliases, {ours:.2f} s CPU")
    print(f"  CPU / modinfo(8): {sorted(ratios)[1]:.2f} (median of 3 alternating runs)")


if __name__ == "__main__":
    front()
    modinfo()
