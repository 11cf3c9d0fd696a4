"""Short commands against the same ones of an earlier revision, alternating in one run.

    .venv/bin/python benchmarks/bench_commands.py [--rounds N] [--against REVISION]

What is compared is CPU time, user and system, of the whole process as a user runs it, start of Python
included: the median of the rounds, each of which runs both. The revision is checked out beside, by `git
worktree`, into a temporary folder; both have a cache of their own with the kernels of this machine, and
a first run that is not counted. The reference is what the program was before its rebuilding: nothing that it
could do then may take longer now.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bootwright.foundation.cache import DEMANDS, KERNELS
from bootwright.foundation.errors import BootwrightError
from bootwright.kernels.catalogue import open_library

ROOT = Path(__file__).parents[1]
REFERENCE = "2a59203"
KERNEL = "debian-6.18.15-4k"
SIGNATURES = ROOT / "src/bootwright/data/signatures"
MANY = """
import sys
from pathlib import Path
try:
    from bootwright.formats.devicetree.fdt import read_fdt_file
except ImportError:
    from bootwright.artifacts.fdt import read_fdt_file
from bootwright.kernels.catalogue import open_library
from bootwright.predict.api import facts_of, predict
kernels = [open_library(offline=True).get(name, modules=True) for name in sys.argv[1:]]
facts = [facts_of(kernel) for kernel in kernels]
for path in sorted(kernels[0].dtbs.rglob("*.dtb"))[::10][:100]:
    tree = read_fdt_file(path)
    for kernel in facts:
        assert predict(kernel, tree).nodes
"""
"""100 devicetrees under the kernels named, in either revision."""
ROUNDS = 11
BOARD = ("--board", "raspberrypi-5")


def commands(dtb: Path, log: Path, image: Path) -> dict[str, tuple[list[str], list[str]]]:
    """Name → arguments for this revision and for the reference, which names steppings only."""
    check = ["check", KERNEL, *BOARD]
    page = image.parent / "page.html"  # not the null device: the reference replaces it by a file
    same = {
        "check KERNEL --board": check,
        "check … --json": [*check, "--json"],
        "check --matrix … --html": [
            "check", "--matrix", KERNEL, *BOARD, "--goal", "ethernet", "--html", str(page)
        ],
        "diagnose LOG": ["diagnose", str(log)],
        "inspect DTB": ["inspect", str(dtb)],
        "image verify IMAGE": ["image", "verify", str(image)],
        "predict --dtb DTB": ["predict", "--kernel", KERNEL, "--dtb", str(dtb), "--json"],
        "kernels show KERNEL": ["kernels", "show", KERNEL],
        "--help": ["--help"],
        "--version": ["--version"],
        "100 devicetrees, 2 kernels (API)": ["-c", MANY, "debian-6.12.117-4k", KERNEL],
    }  # fmt: skip
    whole = {name: (arguments, arguments) for name, arguments in same.items()}
    of_revision = [*check, "--revision", "e04171"], [*check, "--stepping", "d0"]
    return {"check KERNEL --board --revision": of_revision, **whole}


def cpu(source: Path, cache: Path, arguments: list[str]) -> float:
    """Seconds of one run."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPATH": str(source), "BOOTWRIGHT_CACHE": str(cache)}
    started = arguments if arguments[0] == "-c" else ["-m", "bootwright", *arguments]
    process = subprocess.Popen(
        [sys.executable, *started],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
    )
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status) not in {0, 1, 3}:
        sys.exit(f"{' '.join(arguments)} of {source} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime


def small_image(folder: Path) -> Path:
    """A disk image with one FAT partition and a config.txt, of 8 MiB."""
    raw, partition = folder / "small.raw", folder / "partition"
    partition.write_bytes(b"")
    os.truncate(partition, 7 << 20)
    (folder / "config.txt").write_text("kernel=kernel8.img\n")
    subprocess.run(["mkfs.vfat", str(partition)], check=True, capture_output=True)
    subprocess.run(["mcopy", "-i", str(partition), str(folder / "config.txt"), "::"], check=True)
    table = bytearray(512)
    table[446:454] = bytes([0x80, 0, 0, 0, 0x0C, 0, 0, 0])  # bootable, FAT32 by LBA
    table[454:462] = (2048).to_bytes(4, "little") + (7 << 11).to_bytes(4, "little")
    table[510:] = b"\x55\xaa"
    raw.write_bytes(bytes(table) + bytes((1 << 20) - 512) + partition.read_bytes())
    return raw


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--against", default=REFERENCE)
    asked = parser.parse_args()
    try:
        kernel = open_library(offline=True).get(KERNEL, modules=True)
    except BootwrightError as error:
        print(f"left out: {error}")
        return 0
    assert kernel.dtbs is not None
    dtb = next(kernel.dtbs.rglob("bcm2712-rpi-5-b.dtb"))
    log = max(
        (ROOT / "src/bootwright/data/signatures").rglob("console.log"), key=lambda path: path.stat().st_size
    )
    with tempfile.TemporaryDirectory(prefix="bootwright-bench-") as temporary:
        folder = Path(temporary)
        other = folder / "reference"
        made = subprocess.run(
            ["git", "-C", str(ROOT), "worktree", "add", "--detach", str(other), asked.against],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            print(f"left out: no revision {asked.against} here: {made.stderr.strip().splitlines()[-1]}")
            return 0
        try:
            sides = {"reference": other / "src", "this": ROOT / "src"}
            caches = {side: folder / f"cache-{side}" for side in sides}
            for cache in caches.values():
                cache.mkdir()
                for part in (KERNELS, DEMANDS):
                    (cache / part.name).symlink_to(part.folder())
            print("| command | reference, s | this, s | ratio |\n|---|---|---|---|")
            for name, both in commands(dtb, log, small_image(folder)).items():
                of_side = dict(zip(("this", "reference"), both, strict=True))
                used: dict[str, list[float]] = {side: [] for side in sides}
                for number in range(asked.rounds + 1):
                    for side, source in sides.items():
                        seconds = cpu(source, caches[side], of_side[side])
                        if number:
                            used[side].append(seconds)
                before, now = (statistics.median(used[side]) for side in sides)
                print(f"| `{name}` | {before:.3f} | {now:.3f} | {now / before:.2f} |", flush=True)
        finally:
            subprocess.run(
                ["git", "-C", str(ROOT), "worktree", "remove", "--force", str(other)],
                check=False,
                capture_output=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
