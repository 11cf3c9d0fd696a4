"""What compose, swap and flash leave behind when they are killed, on a full disk, and on one that fails.

Killed: `kill -9` at random moments of whole runs of the command (50 of each, or the number given). The
originals must be untouched, and the output whole or not there. Full: the same commands on a tmpfs too small
for them, in a user's own mount namespace. Unreadable: an image on a disk that ends too early (needs root).

    .venv/bin/python benchmarks/bench_faults.py [KILLS [JOB…]]
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from bootwright.images.opened import open_image

SEED = 20240101


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "bootwright", *map(str, words)]


@frozen
class Job:
    """A command, what it reads, and what it is to make; `OUT` in the words is the output."""

    name: str
    words: tuple[str, ...]
    originals: tuple[Path, ...]
    size: int
    """MiB that are enough for it on the output's disk."""

    def to(self, output: Path) -> list[str]:
        return command(*(str(output) if word == "OUT" else word for word in self.words))


def jobs(folder: Path) -> list[Job]:
    """On a Talos-like image (FAT and XFS), one behind U-Boot (ext4), and their parts."""
    grub, extlinux = folder / "grub.raw", folder / "extlinux.raw"
    for recipe, image in (("talos-standin-grub", grub), ("talos-standin-extlinux", extlinux)):
        subprocess.run(
            command("image", "compose", recipe, "-o", image, "-q"), check=True, capture_output=True
        )
    volume, entry = next(iter(open_image(grub).trees()))
    tree = folder / entry.name
    tree.write_bytes(volume.files.open(entry).read(0, entry.size))
    edits = ("--dtb", str(tree), "--cmdline", "+loglevel=7", "-q")
    return [
        Job("compose", ("image", "compose", "talos-standin-grub", "-o", "OUT", "-q"), (), 320),
        Job("swap (FAT, XFS)", ("image", "swap", str(grub), "-o", "OUT", *edits), (grub, tree), 320),
        Job("swap (ext4)", ("image", "swap", str(extlinux), "-o", "OUT", *edits), (extlinux, tree), 160),
        Job("flash", ("flash", str(extlinux), "OUT", "-q"), (extlinux,), 160),
    ]


def killed(job: Job, folder: Path, times: int) -> bool:
    """Kill it at random moments; whether nothing was harmed."""
    folder.mkdir()
    output = folder / "out.raw"
    began = time.monotonic()
    subprocess.run(job.to(output), check=True, capture_output=True)
    whole = time.monotonic() - began
    expected = sha256(output)
    before = {path: sha256(path) for path in job.originals}
    changed = {path: path.stat().st_ctime_ns for path in job.originals}
    chance = random.Random(SEED)
    ended = harmed = partial = 0
    for _ in range(times):
        for path in folder.glob("out.raw*"):
            path.unlink()
        process = subprocess.Popen(job.to(output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if output.exists():
            ended += 1
            partial += sha256(output) != expected
        # Its time of change tells of any write; the hash, which takes seconds, is compared at the end.
        harmed += any(path.stat().st_ctime_ns != changed[path] for path in before)
    again = ["--yes-really", str(output)] if job.name == "flash" else []
    subprocess.run([*job.to(output), *again], check=True, capture_output=True)
    left = {path.name for path in folder.iterdir()} - {"out.raw", "out.raw.manifest.json"}
    harmed += any(sha256(path) != known for path, known in before.items())
    good = not harmed and not partial and not left and sha256(output) == expected
    print(
        f"{job.name}: killed {times} times within {whole:.1f} s: {ended} had ended, {partial} partial "
        f"outputs, {harmed} originals changed; left after the next run: {len(left)}"
    )
    shutil.rmtree(folder)
    return good


def full(job: Job, folder: Path) -> bool:
    """On disks of several sizes: it works, or says in one line that there is no room, and leaves nothing."""
    folder.mkdir()
    good = True
    missed: list[str] = []
    for size in [max(2, job.size * part // 16) for part in (1, 2, 4, 6, 8, 10, 12, 16, 20)]:
        script = (
            f'mount -t tmpfs -o size={size}m none {folder} && shift && "$@"; '
            f"status=$?; ls -A {folder}; exit $status"
        )
        namespace = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-rm"]
        ran = subprocess.run(
            [*namespace, "sh", "-c", script, "sh", "-", *job.to(folder / "out.raw")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        names = set(ran.stdout.split()) & {"out.raw"}
        said = [line for line in ran.stderr.splitlines() if line.startswith("bootwright: ")]
        if ran.returncode == 0:
            good &= names == {"out.raw"}
        else:
            good &= ran.returncode == 2 and not names and len(said) == 1 and "no space left" in said[0]
            good &= "Traceback" not in ran.stderr
            if not good:
                print(ran.stderr)
        missed.append(f"{size} MiB: {'made' if ran.returncode == 0 else 'no space left'}")
    print(f"{job.name}, full disk: {'; '.join(missed)}")
    folder.rmdir()
    return good


def disk_that_ends(folder: Path, image: Path) -> Iterator[Path]:
    """The image on a disk whose later half cannot be read any more."""
    folder.mkdir()
    backing, mount = folder / "backing", folder / "mount"
    mount.mkdir()
    with backing.open("wb") as file:
        file.truncate(512 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", backing], check=True)
    device = subprocess.run(
        ["losetup", "--find", "--show", backing], check=True, capture_output=True, text=True
    ).stdout.strip()
    try:
        subprocess.run(["mount", device, mount], check=True)
        try:
            subprocess.run(["cp", "--sparse=always", image, mount / "image.raw"], check=True)
            os.sync()
            with (mount / "image.raw").open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            os.truncate(backing, 48 << 20)
            yield mount / "image.raw"
        finally:
            subprocess.run(["umount", "--lazy", mount], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def unreadable(folder: Path, image: Path) -> bool:
    """Each command on it ends with one line and status 2."""
    if os.geteuid() or not shutil.which("losetup"):
        print("unreadable disk: not tried, it takes root and loop devices")
        return True
    good = True
    answers: dict[str, str] = {}
    for path in disk_that_ends(folder, image):
        output = folder / "out.raw"
        for words in (
            ("image", "verify", path, "-q"),
            ("image", "swap", path, "-o", output, "--cmdline", "+a", "-q"),
            ("flash", path, output, "-q"),
        ):
            ran = subprocess.run(command(*words), capture_output=True, text=True, check=False)
            said = next((line for line in ran.stderr.splitlines() if line.startswith("bootwright: ")), "")
            # What the disk still has of the first block may be zeros: then it is no disk image.
            refused = bool(said) or "fails" in ran.stdout
            good &= ran.returncode in {1, 2} and refused and not output.exists()
            answers[str(words[words[0] != "flash"])] = f"{ran.returncode} {said.rpartition(': ')[2]}"
    print(f"unreadable disk: {answers}")
    return good


def main(arguments: Sequence[str]) -> int:
    """0 where nothing was harmed and every failure was said in one line."""
    times = int(arguments[0]) if arguments else 50
    only = arguments[1:]
    good = True
    with tempfile.TemporaryDirectory(prefix="bootwright-bench-") as name:
        folder = Path(name)
        every = jobs(folder)
        for number, job in enumerate(every):
            good &= full(job, folder / f"full-{number}")
        good &= unreadable(folder / "unreadable", folder / "grub.raw")
        for number, job in enumerate(fault for fault in every if not only or fault.name in only):
            good &= killed(job, folder / f"killed-{number}", times)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
