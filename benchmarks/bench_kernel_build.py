"""What building a kernel costs beside plain make, in CPU seconds, and whether it gives the same bytes.

The reference is make by hand: the same tree, `allnoconfig` with the same options, `make Image` with the same
variables, in a folder of its own. Both begin with nothing; `kernel build` in a cache of its own, so that it
compiles however often this runs. Compilers take some 150 CPU seconds each for the options below, whose kernel
is about the least that boots a probe; a larger one makes the share smaller.

    .venv/bin/python benchmarks/bench_kernel_build.py SOURCE [PAGE-SIZE]

SOURCE is an unpacked tree. Without it nothing is measured: it takes minutes.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from bootwright import api
from bootwright.foundation.progress import Silent
from bootwright.workshop.building.make import Make
from bootwright.workshop.building.toolchain import find_toolchain, jobs

LIMIT = 0.03
SMALL = """\
CONFIG_EXPERT=y
# CONFIG_NET is not set
# CONFIG_UNIX is not set
# CONFIG_BLOCK is not set
# CONFIG_OVERLAY_FS is not set
# CONFIG_RD_ZSTD is not set
# CONFIG_IKCONFIG is not set
"""


def cpu() -> float:
    """User and system seconds of this process and of the children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def by_hand(tree: Path, folder: Path, config: Path) -> Path:
    """The Image that make builds of a tree with a whole configuration; each run is one of make."""
    make = Make(tree, folder, find_toolchain(), jobs(None), folder / "log", Silent())
    given = [f"{name}={value}" for name, value in make.variables().items()]
    command = ["make", "-s", "-C", str(tree), f"O={folder}", f"-j{make.jobs}", *given]
    folder.mkdir()
    for targets in (["allnoconfig", f"KCONFIG_ALLCONFIG={config}"], ["Image"]):
        with (folder / "log").open("ab") as log:
            subprocess.run([*command, *targets], check=True, stdout=log, stderr=log)
    return folder / "arch/arm64/boot/Image"


def main(arguments: list[str]) -> int:
    """1 when it costs more than it may, or gives other bytes."""
    if not arguments:
        print("give an unpacked kernel source to measure with")
        return 0
    tree, page_size = Path(arguments[0]).resolve(), arguments[1] if len(arguments) > 1 else "4k"
    with tempfile.TemporaryDirectory(prefix="bench-build-") as temporary:
        work = Path(temporary)
        os.environ["BOOTWRIGHT_CACHE"] = str(work / "cache")
        fragment = work / "small.config"
        fragment.write_text(SMALL)
        before = cpu()
        built = api.build_kernel(tree, page_size=page_size, fragments=fragment, name="bench")
        ours = cpu() - before
        before = cpu()
        image = by_hand(tree, work / "by-hand", built.folder / "output/asked.config")
        plain = cpu() - before
        same = hashlib.sha256(image.read_bytes()).hexdigest() == built.kernel.image_sha256
    share = (ours - built.cpu_seconds) / built.cpu_seconds
    print(f"{built.kernel.release}, {page_size}: {'the same' if same else 'OTHER'} bytes as make by hand")
    print(f"by hand {plain:.1f} s; kernel build {ours:.1f} s, of which make {built.cpu_seconds:.1f} s")
    print(f"beside its own make {share:.2%} (limit {LIMIT:.0%}), against by hand {ours / plain - 1:+.2%}")
    return 0 if share < LIMIT and same else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
