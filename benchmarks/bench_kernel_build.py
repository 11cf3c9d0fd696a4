"""What building a kernel costs beside make, in CPU seconds: source, configuration check, catalogue.

The reference is the make that the build runs, with all that it starts; everything else is ours.
A kernel that was built before costs next to nothing, and says nothing here: give a name that is new.

    .venv/bin/python benchmarks/bench_kernel_build.py SOURCE [PAGE-SIZE [FRAGMENT]]

Without SOURCE nothing is measured: a build takes minutes. SOURCE must be unpacked already, or the folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bootwright import api

LIMIT = 0.03


def cpu() -> float:
    """User and system seconds of this process and of the children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def main(arguments: list[str]) -> int:
    """1 when it costs more than it may."""
    if not arguments:
        print("give a kernel's source to measure with")
        return 0
    source, page_size, fragments = arguments[0], arguments[1] if len(arguments) > 1 else "4k", arguments[2:]
    before = cpu()
    built = api.build_kernel(source, page_size=page_size, fragments=[Path(path) for path in fragments])
    total = cpu() - before
    if built.reused:
        print(f"{built.name} was built before: nothing is measured")
        return 0
    share = (total - built.cpu_seconds) / built.cpu_seconds
    print(f"{built.name}: make {built.cpu_seconds:.1f} s, all else {total - built.cpu_seconds:.1f} s")
    print(f"overhead {share:.2%} (limit {LIMIT:.0%})")
    return 0 if share < LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
