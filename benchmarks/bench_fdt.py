"""Parsing devicetrees, against libfdt's walk and the pure-Python `fdt` package.

    .venv/bin/python benchmarks/bench_fdt.py [FOLDER]

Blobs of a kernel package are parsed: structure checked, nodes made, properties read when asked for.
References, where installed: `pylibfdt` (libfdt from Python: each node and property visited, as ours makes
them available), the `fdt` package, and libfdt's own walk compiled from C, which allocates nothing.
CPU seconds.
"""

from __future__ import annotations

import importlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from bootwright.artifacts.fdt import parse_fdt
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library

WALK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
int fdt_next_node(const void *, int, int *);
int fdt_first_property_offset(const void *, int);
int fdt_next_property_offset(const void *, int);
const void *fdt_getprop_by_offset(const void *, int, const char **, int *);
int main(int argc, char **argv)
{
    long count = 0; clock_t used = 0;
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb"); fseek(f, 0, SEEK_END); long size = ftell(f); rewind(f);
        char *blob = malloc(size); if (fread(blob, 1, size, f) != (size_t)size) return 1; fclose(f);
        clock_t start = clock();
        for (int depth = 0, node = 0; node >= 0; node = fdt_next_node(blob, node, &depth))
            for (int p = fdt_first_property_offset(blob, node); p >= 0;
                 p = fdt_next_property_offset(blob, p)) {
                const char *name; int length;
                count += fdt_getprop_by_offset(blob, p, &name, &length) != 0;
            }
        used += clock() - start; free(blob);
    }
    printf("%f %ld\n", (double)used / CLOCKS_PER_SEC, count);
}
"""


def seconds(work: Callable[[bytes], object], blobs: list[bytes], rounds: int = 3) -> float:
    """The median CPU time of parsing all blobs."""
    taken = []
    for _ in range(rounds):
        before = time.process_time()
        for blob in blobs:
            work(blob)
        taken.append(time.process_time() - before)
    return statistics.median(taken)


def ours(blob: bytes) -> object:
    return parse_fdt(blob, "bench").nodes


def read_all(blob: bytes) -> object:
    """Ours, with every property of every node read as well."""
    return sum(len(node.properties) for node in parse_fdt(blob, "bench").nodes)


def with_pylibfdt(libfdt: ModuleType) -> Callable[[bytes], object]:
    def walk(blob: bytes) -> object:
        tree = libfdt.Fdt(blob)
        count = depth = node = 0
        while node >= 0 and depth >= 0:
            tree.get_name(node)
            at = tree.first_property_offset(node, quiet=[libfdt.NOTFOUND])
            while at >= 0:
                found = tree.get_property_by_offset(at)
                count += len(found.name) + len(bytes(found))
                at = tree.next_property_offset(at, quiet=[libfdt.NOTFOUND])
            node, depth = tree.next_node(node, depth, quiet=[libfdt.NOTFOUND])
        return count

    return walk


def in_c(paths: list[Path]) -> float | None:
    """libfdt's own walk, without Python."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "walk.c"
        source.write_text(WALK)
        built = subprocess.run(
            ["cc", "-O2", "-o", f"{folder}/walk", source, "-l:libfdt.so.1"], capture_output=True, check=False
        )
        if built.returncode:
            return None
        done = subprocess.run([f"{folder}/walk", *paths], capture_output=True, check=True, text=True)
        return float(done.stdout.split()[0])


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
    paths = sorted(folder.rglob("*.dtb"))[::7]
    blobs = [path.read_bytes() for path in paths]
    mine = seconds(ours, blobs)
    size = sum(map(len, blobs)) / 1e6
    print(
        f"ours: {mine:.3f} s CPU for {len(blobs)} blobs, {size:.1f} MB, {mine / len(blobs) * 1e3:.2f} ms each"
    )
    everything = seconds(read_all, blobs)
    print(f"with every property read as well: {everything / len(blobs) * 1e3:.2f} ms each")
    libfdt = optional("libfdt")
    if libfdt is not None:
        reference = seconds(with_pylibfdt(libfdt), blobs, rounds=1)
        print(
            f"against libfdt's walk from Python: {mine / reference:.2f}, with every property "
            f"{everything / reference:.2f} (wanted: at most 3)"
        )
    fdt = optional("fdt")
    if fdt is not None:
        some = blobs[::6]
        ratios = [seconds(fdt.parse_dtb, some, rounds=1) / seconds(ours, some, rounds=1) for _ in range(3)]
        print(f"against the fdt package: {statistics.median(ratios):.1f} times as fast (wanted: at least 10)")
    compiled = in_c(paths)
    if compiled:
        print(f"against libfdt's walk in C, which keeps nothing: {mine / compiled:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
