"""Parsing devicetrees, against libfdt's walk and the pure-Python `fdt` package.

    .venv/bin/python benchmarks/bench_fdt.py [FOLDER]

Blobs of a kernel package are parsed: structure checked, nodes made. Two amounts of work are told apart, as
properties are read when asked for: the parse alone, and with every property of every node read as well and
the phandles found. References, where installed:

- libfdt's own walk in C over all nodes and properties (`-l:libfdt.so.1`, Debian's libfdt1). It makes nothing.
- the same walk from Python with `pylibfdt`, which makes a name and a value of each property.
- the `fdt` package, which makes an object of each node and property.

The latter two are no dependencies of the project. To have them beside it for one run:

    python3 -m venv /tmp/beside && /tmp/beside/bin/pip install pylibfdt fdt
    PYTHONPATH=$(echo /tmp/beside/lib/python3*/site-packages) .venv/bin/python benchmarks/bench_fdt.py

CPU seconds of this thread, the least of several for each blob, taken in turns, so that others who use the
machine spoil the ratios little.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType

from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library

WALK = r"""
int fdt_next_node(const void *, int, int *);
int fdt_first_property_offset(const void *, int);
int fdt_next_property_offset(const void *, int);
const void *fdt_getprop_by_offset(const void *, int, const char **, int *);
const char *fdt_get_name(const void *, int, int *);
long walk(const void *blob)
{
    long count = 0;
    for (int depth = 0, node = 0; node >= 0; node = fdt_next_node(blob, node, &depth)) {
        int length; const char *name;
        count += fdt_get_name(blob, node, &length) != 0;
        for (int p = fdt_first_property_offset(blob, node); p >= 0; p = fdt_next_property_offset(blob, p))
            count += fdt_getprop_by_offset(blob, p, &name, &length) != 0;
    }
    return count;
}
"""

Work = Callable[[bytes], object]


def seconds(works: Mapping[str, Work], blobs: list[bytes], rounds: int) -> dict[str, float]:
    """For each kind of work, the CPU time of doing it to all blobs: the least of `rounds` for each blob."""
    total = dict.fromkeys(works, 0.0)
    names = list(works)
    gc.collect()
    gc.freeze()  # the trees are cycles: cleared away between the timings, at no one's cost
    for blob in blobs:
        least = dict.fromkeys(names, float("inf"))
        for _ in range(rounds):
            random.shuffle(names)
            for name in names:
                before = time.thread_time()
                made = works[name](blob)
                least[name] = min(least[name], time.thread_time() - before)
                del made
                gc.collect()
        for name in names:
            total[name] += least[name]
    return total


def read_all(blob: bytes) -> Tree:
    """Ours, with the phandles found and every property of every node read."""
    tree = parse_fdt(blob, "bench")
    _ = tree.by_phandle
    for node in tree.nodes:
        _ = node.properties
    return tree


def with_pylibfdt(libfdt: ModuleType) -> Callable[[bytes], object]:
    def walk(blob: bytes) -> object:
        tree = libfdt.Fdt(blob)
        count = depth = node = 0
        while node >= 0 and depth >= 0:
            tree.get_name(node)
            at = tree.first_property_offset(node, quiet=[libfdt.NOTFOUND])
            while at >= 0:
                prop = tree.get_property_by_offset(at)
                count += len(prop.name) + len(bytes(prop))
                at = tree.next_property_offset(at, quiet=[libfdt.NOTFOUND])
            node, depth = tree.next_node(node, depth, quiet=[libfdt.NOTFOUND])
        return count

    return walk


def in_c(folder: Path) -> Work | None:
    """libfdt's own walk, without Python."""
    (folder / "walk.c").write_text(WALK)
    out, source = str(folder / "walk.so"), str(folder / "walk.c")
    command = ["cc", "-O2", "-shared", "-fPIC", "-o", out, source, "-l:libfdt.so.1"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        print("libfdt.so.1 or a C compiler is not installed: not compared")
        return None
    walk: Work = ctypes.CDLL(str(folder / "walk.so")).walk
    return walk


def optional(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ImportError:
        print(f"{name} is not installed: not compared")
        return None


def main() -> int:
    if len(sys.argv) > 1:
        folder = Path(sys.argv[1])
    else:
        try:
            kernel = open_library().get("debian-6.18-4k", modules=True)
        except BootwrightError as error:
            print(f"skipped: {error}")
            return 0
        assert kernel.dtbs is not None
        folder = kernel.dtbs
    blobs = [path.read_bytes() for path in sorted(folder.rglob("*.dtb"))[::14]]
    works: dict[str, Work] = {"parse": lambda blob: parse_fdt(blob, "bench"), "all": read_all}
    with tempfile.TemporaryDirectory() as workdir:
        compiled = in_c(Path(workdir))
        taken = seconds(works | ({"c": compiled} if compiled else {}), blobs, 7)
    parse, everything = taken["parse"], taken["all"]
    print(
        f"{len(blobs)} blobs, {sum(map(len, blobs)) / 1e6:.1f} MB: "
        f"parse {parse / len(blobs) * 1e3:.2f} ms each, "
        f"with phandles and every property {everything / len(blobs) * 1e3:.2f} ms each"
    )
    if compiled:
        print(
            f"of libfdt's walk in C, which makes nothing: {parse / taken['c']:.1f} × "
            f"(all read {everything / taken['c']:.1f} ×; wanted: at most 3)"
        )
    some = blobs[::6]
    libfdt = optional("libfdt")
    if libfdt is not None:
        taken = seconds(works | {"libfdt": with_pylibfdt(libfdt)}, some, 3)
        print(
            f"of libfdt's walk from Python: {taken['parse'] / taken['libfdt']:.2f} × "
            f"(all read {taken['all'] / taken['libfdt']:.2f} ×)"
        )
    fdt = optional("fdt")
    if fdt is not None:
        taken = seconds(works | {"fdt": fdt.parse_dtb}, some, 3)
        print(
            f"against the fdt package: {taken['fdt'] / taken['parse']:.1f} times as fast "
            f"(all read {taken['fdt'] / taken['all']:.1f} times; wanted: at least 10)"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
