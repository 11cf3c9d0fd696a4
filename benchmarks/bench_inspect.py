"""`bootwright inspect` of a Talos-like image of 2.3 GB against `xz -dc` of the same file.

The image is laid out as Talos's for the Raspberry Pi 5 (GPT; vfat; XFS of 2000 MiB with kernel and
initramfs, in it a squashfs with 4,400 modules), with made-up content that does not compress, as real
content mostly is compressed already. CPU seconds are of the whole process tree and steadier than wall.

The target is for the form that Talos's imager writes (`xz -0 -T 0`: blocks). A file of one block has to be
expanded as a whole, which is done while it is read: with a second core for the reading, what is added is the
start (0.1 s) and the end (the file's last pages on the disk). The median of three rounds in turns is printed.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "kits"))

import disk_kit
import talos_kit

TARGET = 1.15
MEMORY_TARGET_MB = 400


@frozen
class Spent:
    wall: float
    cpu: float
    peak_mb: float


def spent(command: Sequence[str | Path], cache: Path) -> Spent:
    """Run a command in a process of its own, so that its peak memory is its own."""
    read, write = os.pipe()
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(read)
        subprocess.run(
            [str(part) for part in command],
            stdout=subprocess.DEVNULL,
            env={**os.environ, "BOOTWRIGHT_CACHE": str(cache)},
            check=True,
        )
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        os.write(write, f"{usage.ru_utime + usage.ru_stime} {usage.ru_maxrss / 1024}".encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    cpu, peak = os.read(read, 100).split()
    os.close(read)
    return Spent(time.monotonic() - started, float(cpu), float(peak))


def make_image(folder: Path) -> Path:
    """2.3 GB, sparse; about 150 MB of it data."""
    noise = random.Random(20260101)
    talos = talos_kit.Talos(modules=tuple(f"module-{number:04}" for number in range(4400)))
    root = talos_kit.rootfs(folder / "rootfs", talos)
    for path in root.rglob("*.ko.xz"):
        path.write_bytes(noise.randbytes(18_000))
    (root / "usr" / "bin").mkdir()
    (root / "usr" / "bin" / "machined").write_bytes(noise.randbytes(40 << 20))
    (folder / "initramfs").mkdir()
    squashed = folder / "initramfs" / "rootfs.sqsh"
    disk_kit.run("mksquashfs", root, squashed, "-comp", "zstd", "-quiet", "-no-progress")
    packed = subprocess.run(
        ["cpio", "-o", "-H", "newc", "--quiet"],
        cwd=folder / "initramfs", input=b"rootfs.sqsh\n", capture_output=True, check=True,
    )  # fmt: skip
    boot = folder / "boot"
    (boot / "A").mkdir(parents=True)
    (boot / "A" / "vmlinuz").write_bytes(
        talos_kit.kernel(talos) + noise.randbytes(20 << 20) + bytes(20 << 20)
    )
    compressed = subprocess.run(
        ["xz", "-0", "--check=crc32", "-c"], input=packed.stdout, capture_output=True, check=True
    )
    (boot / "A" / "initramfs.xz").write_bytes(compressed.stdout)
    (boot / "grub.cfg").write_text("menuentry 'A' {\nlinux /A/vmlinuz quiet\ninitrd /A/initramfs.xz\n}\n")
    esp = folder / "esp"
    esp.mkdir()
    (esp / "config.txt").write_text(talos_kit.CONFIG_TXT)
    (esp / "bcm2712-rpi-5-b.dtb").write_bytes(talos_kit.devicetree(talos))
    fat = disk_kit.make_fat(folder / "esp.img", esp, 32, 100 << 20)
    xfs = disk_kit.make_xfs(folder / "boot.img", boot, "-i", "nrext64=1", size=2000 << 20)
    image = disk_kit.make_disk(
        folder / "talos.raw",
        (
            (fat, talos_kit.ESP, "EFI", 100),
            (None, talos_kit.BIOS, "BIOS", 1),
            (xfs, talos_kit.LINUX, "BOOT", 2000),
            (None, talos_kit.LINUX, "META", 1),
        ),
    )
    for path in (fat, xfs, root, folder / "initramfs", boot):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return image


def main() -> int:
    """Print a line for each form of the image; exit 1 where the target is missed."""
    bootwright = Path(sys.executable).with_name("bootwright")
    missed = False
    with tempfile.TemporaryDirectory(prefix="bootwright-bench-") as name:
        folder = Path(name)
        image = make_image(folder)
        for form, command in (
            ("one block (xz -0)", ("xz", "-0", "-T1")),
            ("blocks (xz -0 -T0)", ("xz", "-0", "-T0")),
        ):
            packed = folder / "talos.raw.xz"
            with packed.open("wb") as file:
                subprocess.run([*command, "-c", image], stdout=file, check=True)
            cache = folder / "cache"
            rounds = []
            for _ in range(3):
                shutil.rmtree(cache, ignore_errors=True)
                reference = spent(("xz", "-dc", packed), cache)
                cold = spent((bootwright, "inspect", "--json", "-q", packed), cache)
                warm = spent((bootwright, "inspect", "--json", "-q", packed), cache)
                rounds.append((cold.wall / reference.wall, cold.cpu / reference.cpu, reference, cold, warm))
            wall, cpu, reference, cold, warm = sorted(rounds, key=lambda measured: measured[:2])[1]
            peak = max(measured[3].peak_mb for measured in rounds)
            size = packed.stat().st_size / 1e6
            print(
                f"inspect, {size:.0f} MB, {form}: {wall:.2f} × wall, {cpu:.2f} × CPU of xz -dc "
                f"({reference.wall:.1f} s; {cold.wall:.1f} s, cached {warm.wall:.1f} s), "
                f"peak {peak:.0f} MB; target {TARGET} ×, {MEMORY_TARGET_MB} MB"
            )
            missed |= ("blocks" in form and wall > TARGET) or peak > MEMORY_TARGET_MB
            packed.unlink()
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
