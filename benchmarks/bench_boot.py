"""Boot to verdict, in CPU seconds, against three references that boot the same kernel and initramfs.

The references: QEMU as one would first call it, QEMU tuned by hand, and the very command bootwright runs.
Each is run in turn, RUNS times; medians are compared. CPU seconds are of all processes together (user and
system), because wall time says more about what else the machine does.

    .venv/bin/python benchmarks/bench_boot.py [RUNS] [KERNEL]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence

from bootwright.foundation.verdict import Verdict
from bootwright.kernels.catalogue import open_library
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.probes.boot import boot
from bootwright.lab.probes.judge import verdict
from bootwright.lab.probes.ktap import read

LIMITS = {"plain": 0.25, "tuned": 0.8, "same command": 1.05}
# Some packages of QEMU come without the boot ROM of the network card that it adds by itself.
PLAIN = ("-M", "virt", "-cpu", "max", "-nographic", "-nic", "none")
TUNED = (
    "-M",
    "virt",
    "-cpu",
    "max,pauth-impdef=on",
    "-nodefaults",
    "-smp",
    "1",
    "-nographic",
    "-serial",
    "stdio",
)


def cpu() -> float:
    """User and system seconds of this process and of the children that ended."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def seconds(work: Callable[[], None]) -> float:
    before = cpu()
    work()
    return cpu() - before


def reference(command: Sequence[str]) -> None:
    # Into a file: the console comes byte by byte, and reading it here would be charged to the reference.
    with tempfile.TemporaryFile() as console:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.PIPE,
            check=False,
            timeout=300,
        )
        console.seek(0)
        whole = console.read()
    if b"bootwright: end" not in whole:
        raise SystemExit(
            f"{' '.join(command)}\ndid not reach the end of the probe:\n{done.stderr.decode()[-500:]}"
        )


def runnable(options: Sequence[str], recording: Recording, further: str) -> list[str]:
    """QEMU with other options, and the kernel, initramfs and probe of the recording."""
    command = recording.command
    files = [command[command.index(flag) + 1] for flag in ("-kernel", "-initrd")]
    probe = " ".join(word for word in recording.kernel_arguments.split() if word.startswith("bootwright."))
    append = f"console=ttyAMA0 {further} {probe}"
    return [command[0], *options, "-kernel", files[0], "-initrd", files[1], "-append", append]


def bare(recording: Recording) -> list[str]:
    """The recording's own command without the control channel, which needs a descriptor of ours."""
    command = list(recording.command)
    for flag in ("-mon", "-chardev"):
        at = max(index for index, part in enumerate(command) if part == flag)
        del command[at : at + 2]
    return command


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    kernel = open_library().get(sys.argv[2] if len(sys.argv) > 2 else "debian-6.12-4k")
    first = boot(kernel, probe=["mounts"])  # also fills the caches
    plain = runnable(PLAIN, first, "")

    def ours() -> None:
        if verdict(read(boot(kernel, probe=["mounts"]))) is Verdict.UNKNOWN:
            raise SystemExit("the boot gave no verdict")

    def command_line() -> None:
        command = [sys.executable, "-m", "bootwright", "boot", kernel.name, "--json"]
        done = subprocess.run(command, capture_output=True, check=False, timeout=300)
        if done.returncode not in {0, 1}:
            raise SystemExit(done.stderr.decode())

    work: dict[str, Callable[[], None]] = {
        "bootwright": ours,
        "same command": lambda: reference(bare(first)),
        "tuned": lambda: reference(runnable(TUNED, first, "quiet")),
        "plain": lambda: reference(plain),
        "command line": command_line,
    }
    taken: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(runs):
        for name, call in work.items():
            taken[name].append(seconds(call))
    median = {name: statistics.median(times) for name, times in taken.items()}
    print(f"{kernel.name}, {first.machine_version}, median of {runs} alternating runs, CPU seconds")
    for name, value in median.items():
        print(f"  {name:13} {value:6.2f}  ({min(taken[name]):.2f} to {max(taken[name]):.2f})")
    missed = 0
    for name, limit in LIMITS.items():
        ratio = median["bootwright"] / median[name]
        missed += ratio > limit
        print(f"  bootwright / {name}: {ratio:.3f} (at most {limit}){'  MISSED' if ratio > limit else ''}")
    print(f"  bootwright's own process / same command: {median['command line'] / median['same command']:.3f}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
