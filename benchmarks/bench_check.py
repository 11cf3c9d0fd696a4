"""`check` of a cached kernel and one board, and the matrix of every devicetree under several kernels.

    .venv/bin/python benchmarks/bench_check.py [KERNEL ...]

The command is run as a user runs it, start of Python included and with bytecode kept, as for an installed
package (`PYTHONDONTWRITEBYTECODE` is taken out of its environment); the reference is a limit: 0.3 s. The
matrix predicts every node of every blob of the kernels' packages under each kernel, on two cores; limit 60 s
for about 1,000 blobs under 4 kernels.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library
from bootwright.predict.api import facts_of, predict


def share(names: list[str], paths: list[Path]) -> tuple[int, int]:
    """(predictions, nodes): every blob under every kernel."""
    kernels = [facts_of(open_library().get(name, modules=True)) for name in names]
    nodes = 0
    for path in paths:
        tree = read_fdt_file(path)
        for kernel in kernels:
            nodes += len(predict(kernel, tree).nodes)
    return len(paths) * len(names), nodes


def main() -> int:
    names = sys.argv[1:] or ["debian-6.12-4k", "debian-6.17-4k", "debian-6.18-4k", "debian-7.3-4k"]
    here = []
    for name in names:
        try:
            here.append(open_library().get(name, modules=True))
        except BootwrightError as error:
            print(f"{name}: left out: {error}")
    if not here:
        return 0
    newest = next((kernel for kernel in here if kernel.name.startswith("debian-6.18")), here[-1])
    command = [sys.executable, "-m", "bootwright", "check", newest.name, "--board", "raspberrypi-5", "-q"]
    kept = tempfile.TemporaryDirectory()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = kept.name
    subprocess.run(command, check=False, capture_output=True, env=environment)
    wall, used = [], []
    for _ in range(7):
        before, started = os.times(), time.monotonic()
        subprocess.run(command, check=False, capture_output=True, env=environment)
        wall.append(time.monotonic() - started)
        after = os.times()
        used.append(
            after.children_user + after.children_system - before.children_user - before.children_system
        )
    kept.cleanup()
    print(
        f"check {newest.name}, all goals: {min(wall):.2f} s wall, {min(used):.2f} s CPU (wanted: below 0.3)"
    )
    assert newest.dtbs is not None
    blobs = sorted(newest.dtbs.rglob("*.dtb"))
    started = time.monotonic()
    kernels = [kernel.name for kernel in here]
    with ProcessPoolExecutor(2) as pool:
        parts = list(pool.map(share, [kernels, kernels], [blobs[::2], blobs[1::2]]))
    took = time.monotonic() - started
    count = sum(part[0] for part in parts)
    print(
        f"matrix: {len(blobs)} blobs under {len(kernels)} kernels, {count} predictions of "
        f"{sum(part[1] for part in parts)} nodes: {took:.1f} s wall "
        f"({took * 4000 / count:.1f} s for 1,000 blobs under 4 kernels; wanted: below 60)"
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"memory of the largest process: {peak:.0f} MB (wanted: below 400)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
