"""`check --all-devicetrees`: every devicetree of kernels, what is answered and how long it takes.

    .venv/bin/python benchmarks/bench_devicetrees.py [KERNEL ...]

The command is run as a user runs it. The references are limits: below 15 % of the goals `unknown`, no
traceback, and below 60 s for one kernel on two cores. On a machine that others use the wall time says
little: CPU seconds, shared by two processes, are given beside it. The first run walks through the probe
functions of a kernel's drivers and keeps what it found; `--cold` forgets that first.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bootwright.foundation.cache import KERNELS
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library


def _shown(verdicts: Counter[str]) -> str:
    return ", ".join(f"{verdicts[word]:5} {word}" for word in ("works", "fails", "unknown"))


def measure(name: str, cache: Path | None) -> None:
    command = [sys.executable, "-m", "bootwright", "check", name, "--all-devicetrees", "--json", "-q"]
    environment = dict(os.environ)
    if cache is not None:
        environment["BOOTWRIGHT_CACHE"] = str(cache)
    before, started = os.times(), time.monotonic()
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    wall, after = time.monotonic() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    if "Traceback" in done.stderr or done.returncode not in {0, 1, 3}:
        print(f"{name}: exit {done.returncode}: {done.stderr.strip()[-500:]}")
        return
    trees = json.loads(done.stdout)["devicetrees"]
    goals = [goal for tree in trees for goal in tree["goals"].values()]
    verdicts = Counter(goal["verdict"] for goal in goals)
    roles: dict[str, Counter[str]] = {}
    for goal in goals:
        roles.setdefault(goal["role"], Counter())[goal["verdict"]] += 1
    known = sum(tree["board"] is not None for tree in trees)
    without = sum(not tree["goals"] for tree in trees)
    print(
        f"{name}: {len(trees)} devicetrees, {known} of a board with a file, {without} without goals; "
        f"{len(goals)} goals: {_shown(verdicts)}; unknown {verdicts['unknown'] / max(1, len(goals)):.1%} "
        "(wanted: below 15 %)"
    )
    for role, counts in roles.items():
        print(f"  {role:10}{_shown(counts)}")
    print(f"  {wall:.1f} s wall, {used:.1f} s CPU, so {used / 2:.1f} s on two free cores (wanted: below 60)")


def main() -> int:
    cold = "--cold" in sys.argv[1:]
    names = [name for name in sys.argv[1:] if name != "--cold"] or ["debian-6.18-4k", "debian-7.3-4k"]
    for name in names:
        try:
            kernel = open_library(offline=True).get(name, modules=True)
        except BootwrightError as error:
            print(f"{name}: left out: {error}")
            continue
        if not cold:
            measure(kernel.name, None)
            continue
        with tempfile.TemporaryDirectory() as folder:
            # The kernels themselves stay where they are; everything read of them is forgotten.
            (Path(folder) / "kernels").symlink_to(KERNELS.folder())
            measure(kernel.name, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
