"""A probe's run from a snapshot, in CPU seconds, against the cold boots that it stands for.

With its console as `investigate` has it, and with the answers alone as `survey` has them. The references: the
cold boot as bootwright does it, and the same without the kernel arguments that only make boots quicker
(`--plain`). Each kernel on this machine, or those named, RUNS times in turn; medians are
compared. CPU seconds are of all processes together. The answers have to be the same.

    .venv/bin/python benchmarks/bench_snapshots.py [RUNS] [KERNEL...]
"""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable
from functools import partial

from bootwright.api import get_kernel, list_kernels
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import PlannedBoot, plan_boot
from bootwright.lab.probes.ktap import read
from bootwright.lab.snapshots.answering import answers_from
from bootwright.lab.snapshots.restoring import run_from
from bootwright.lab.snapshots.running import snapshot_of
from bootwright.lab.snapshots.saved import Snapshot

LIMITS = {"snapshot": {"cold": 0.2, "plain": 0.15}, "answers": {"cold": 0.1, "plain": 0.075}}
"""Of the time of a run, with its console or with the answers alone, to the reference's."""


def cpu() -> float:
    """User and system seconds of this process and of the children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def timed(work: Callable[[], Recording], times: list[float]) -> object:
    before = cpu()
    recording = work()
    times.append(cpu() - before)
    return [(test.name, test.ok, test.call, test.errno) for test in read(recording).tests]


def answered(snapshot: Snapshot, planned: PlannedBoot) -> Recording:
    """The answers alone; raises where they do not come."""
    recording = answers_from(snapshot, planned)
    if recording is None:
        raise SystemExit(f"{planned.kernel.name}: no answers came")
    return recording


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    names = sys.argv[2:] or [listed.name for listed in list_kernels(offline=True) if listed.cached]
    sums = {"answers": 0.0, "snapshot": 0.0, "cold": 0.0, "plain": 0.0}
    for name in names:
        kernel = get_kernel(name, offline=True)
        planned = plan_boot(kernel, probe=("mounts",))
        plain = plan_boot(kernel, probe=("mounts",), plain=True)
        snapshot = snapshot_of(planned)
        times: dict[str, list[float]] = {kind: [] for kind in sums}
        for _ in range(runs):
            answers = [
                timed(partial(answered, snapshot, planned), times["answers"]),
                timed(
                    partial(run_from, snapshot, planned, timeout=120, silence=30, together=True),
                    times["snapshot"],
                ),
                timed(planned.run, times["cold"]),
                timed(plain.run, times["plain"]),
            ]
            if any(answer != answers[0] for answer in answers):
                print(f"{name}: the snapshot answers differently")
                return 1
        for kind, seconds in times.items():
            sums[kind] += statistics.median(seconds)
    print(f"{len(names)} kernels, mounts, the same answers")
    bad = False
    for run, limits in LIMITS.items():
        print(f"{run}: {sums[run]:.2f} s of CPU time")
        for kind, limit in limits.items():
            ratio = sums[run] / sums[kind]
            bad |= ratio > limit
            print(f"  {ratio:.3f} of {kind} ({sums[kind]:.2f} s; 1 to {1 / ratio:.1f}), limit {limit}")
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
