"""Writing an image to a file-backed target, against `dd bs=4M conv=fsync`.

The reference writes every byte and proves nothing. Ours leaves holes for zeros, and hashes while it
writes; reading back comes on top and is printed beside it. Both are run in turn, several times, since the
disk is shared: the ratio is of the medians. A dense image (random bytes) is the hard case, an image
of which a tenth is used the usual one.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bootwright.images.flash.flash import flash
from bootwright.images.flash.source import open_image
from bootwright.images.flash.target import FileTarget

WANTED = 0.9
ROUNDS = 7


def dense(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 20))


def sparse(path: Path, size: int) -> None:
    """A quarter of a Talos image: data at the start and in a few places, zeros between, no holes."""
    with path.open("wb") as file:
        for number in range(size >> 20):
            file.write(os.urandom(1 << 20) if number % 100 < 10 else bytes(1 << 20))


def dd(source: Path, out: Path) -> float:
    out.unlink(missing_ok=True)
    began = time.monotonic()
    subprocess.run(
        ["dd", f"if={source}", f"of={out}", "bs=4M", "conv=fsync"], check=True, stderr=subprocess.DEVNULL
    )
    return time.monotonic() - began


def ours(source: Path, out: Path) -> tuple[float, float]:
    out.unlink(missing_ok=True)
    target = FileTarget(out, resume=False)
    done = flash(open_image(str(source)), target)
    target.finish(done.size)
    target.close(keep=True)
    return done.write_seconds, done.verify_seconds


def main(folder: Path) -> int:
    worst = 9.9
    for name, make, size in (("dense", dense, 256 << 20), ("sparse", sparse, 590 << 20)):
        image, out = folder / f"{name}.img", folder / "out.img"
        make(image, size)
        os.sync()
        theirs, written, verified = [], [], []
        for _ in range(ROUNDS):
            theirs.append(dd(image, out))
            seconds, verify = ours(image, out)
            written.append(seconds)
            verified.append(verify)
        reference, mine = statistics.median(theirs), statistics.median(written)
        ratio = reference / mine
        worst = min(worst, ratio)
        print(
            f"{name} {size >> 20} MiB: dd {reference:.2f} s, flash {mine:.2f} s "
            f"(+ {statistics.median(verified):.2f} s reading back): {ratio:.2f} x the speed of dd "
            f"(per round {', '.join(f'{a / b:.2f}' for a, b in zip(theirs, written, strict=True))})"
        )
        image.unlink()
        out.unlink()
    print(f"wanted: at least {WANTED} x; worst {worst:.2f}")
    return 0 if worst >= WANTED else 1


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as chosen:
        sys.exit(main(Path(chosen)))
