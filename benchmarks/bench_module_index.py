"""Indexing a whole module tree, against depmod on the same tree.

    .venv/bin/python benchmarks/bench_module_index.py [KERNEL]

Ours reads `.modinfo`, the match tables of every driver and the calls it makes; depmod reads `.modinfo` and
symbols. Wall time on up to two cores, and CPU seconds beside it, since others use the machine too.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from bootwright.formats.modules.module_index import read_module_tree
from bootwright.foundation import tools
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library


def timed(work: object) -> tuple[float, float]:
    """(wall, CPU of this process and its children) in seconds."""
    before, started = os.times(), time.monotonic()
    work()  # type: ignore[operator]
    after = os.times()
    return time.monotonic() - started, sum(after[:4]) - sum(before[:4])


def main() -> int:
    name = sys.argv[1] if len(sys.argv) > 1 else "debian-6.18-4k"
    try:
        kernel = open_library().get(name, modules=True)
        depmod = tools.need("depmod", purpose="compare with it")
    except BootwrightError as error:
        print(f"skipped: {error}")
        return 0
    tree = kernel.modules
    assert tree is not None
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "lib/modules" / kernel.release
        base.parent.mkdir(parents=True)
        shutil.copytree(tree, base)
        shutil.rmtree(base / "dtb", ignore_errors=True)
        reference = timed(lambda: tools.run([depmod, "-b", folder, kernel.release], timeout=600))
        cache = Path(folder) / "cache"
        first = timed(lambda: read_module_tree(base, cache=cache))
        again = min(timed(lambda: read_module_tree(base, cache=cache))[0] for _ in range(5))
        count = len(read_module_tree(base, cache=cache).modules)
    print(f"{count} modules")
    print(f"depmod: {reference[0]:.2f} s wall, {reference[1]:.2f} s CPU")
    print(f"ours:   {first[0]:.2f} s wall, {first[1]:.2f} s CPU")
    print(f"ratio of wall times {first[0] / reference[0]:.2f} (wanted: at most 1)")
    print(f"second time {again * 1000:.0f} ms (wanted: below 100)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
