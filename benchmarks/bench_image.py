"""What `image compose` and `image swap` add to the tools they must run, and what a swap writes.

compose: its time against the sum of what it must run: the tools' own times in the same run, a sparse copy of
the partitions into the image, and sha256sum of the largest part for the manifest (limit 1.3). With the
stand-in's few modules, and with `--all` also with all modules of the kernel (minutes).
swap: of a DTB in an image of Talos's size: seconds (limit 2) and bytes on disk (limit 50 MB).

    .venv/bin/python benchmarks/bench_image.py [--all]
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve

from bootwright.foundation import tools
from bootwright.foundation.progress import Silent
from bootwright.images.change.changes import Changes
from bootwright.images.change.swap import swap
from bootwright.images.compose.compose import compose
from bootwright.images.opened import open_image
from bootwright.images.parts.parts import Parts
from bootwright.images.recipes.reader import find_recipe
from bootwright.images.recipes.recipe import InitramfsPart, Recipe
from bootwright.images.verify.verify import verify

RUNS = 3
COMPOSE_LIMIT, SWAP_SECONDS, SWAP_BYTES = 1.3, 2.0, 50e6


def cpu() -> float:
    """CPU seconds of this process and its ended children."""
    both = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """(wall seconds, CPU seconds)."""
    wall, used = time.perf_counter(), cpu()
    work()
    return time.perf_counter() - wall, cpu() - used


def run(*command: str | Path) -> float:
    """CPU seconds of a program."""
    return timed(lambda: subprocess.run(command, check=True, capture_output=True))[1]


def composing(recipe: Recipe, image: Path, what: str) -> bool:
    """Runs in turn with what is compared; whether the median kept within the limit."""
    ratios = [_one_composing(recipe, image, what) for _ in range(RUNS)]
    median = statistics.median(ratios)
    print(
        f"compose, {what}: {median:.2f} x what it must run (limit {COMPOSE_LIMIT}; "
        f"runs {', '.join(f'{ratio:.2f}' for ratio in ratios)})"
    )
    return median <= COMPOSE_LIMIT


def _one_composing(recipe: Recipe, image: Path, what: str) -> float:
    """CPU seconds by those of what must be run: wall time says more about who else is here."""
    spent: dict[str, float] = {}
    real = tools.run

    def measured(command: Sequence[str | Path], **settings: Any) -> bytes:  # noqa: ANN401 - as `tools.run`
        before = cpu()
        try:
            return real(command, **settings)
        finally:
            name = Path(command[0]).name
            spent[name] = spent.get(name, 0.0) + cpu() - before

    tools.run = measured
    try:
        wall, used = timed(lambda: compose(recipe, image))
    finally:
        tools.run = real
    kernel = Parts(recipe, image.parent / "none", Silent()).kernel.image
    spent["cp --sparse"] = run("cp", "--sparse=always", image, image.with_name("copy.raw"))
    spent["sha256sum"] = run("sha256sum", kernel)
    total = sum(spent.values())
    slowest = ", ".join(
        f"{name} {spent[name]:.2f}" for name in sorted(spent, key=lambda step: -spent[step])[:5]
    )
    print(f"compose, {what}: {wall:.2f} s wall, {used:.2f} s CPU, of which {total:.2f} s in: {slowest}")
    return used / total


def swapping(image: Path) -> bool:
    """The DTB of an image, swapped; whether time and bytes kept within the limits."""
    volume, entry = next(iter(open_image(image).trees()))
    tree = image.with_name(entry.name)
    tree.write_bytes(volume.files.open(entry).read(0, entry.size))
    output = image.with_name("swapped.raw")
    walls = [timed(lambda: swap(image, output, Changes(trees=(tree,))))[0] for _ in range(RUNS)]
    seconds, written = statistics.median(walls), output.stat().st_blocks * 512
    print(
        f"swap of a DTB in {image.stat().st_size / 1e9:.2f} GB: {seconds:.2f} s (limit {SWAP_SECONDS}), "
        f"{written / 1e6:.1f} MB on disk (limit {SWAP_BYTES / 1e6:.0f})"
    )
    wall, used = timed(lambda: verify(output))
    print(f"verify: {wall:.2f} s wall, {used:.2f} s CPU")
    return seconds <= SWAP_SECONDS and written <= SWAP_BYTES


def main(arguments: list[str]) -> int:
    """0 where every limit is kept."""
    recipe = find_recipe("talos-standin-grub")
    with tempfile.TemporaryDirectory(prefix="bootwright-bench-") as folder:
        image = Path(folder) / "image.raw"
        compose(recipe, image)  # fetches and compiles what is not here yet
        good = composing(recipe, image, "few modules")
        good &= swapping(image)
        if "--all" in arguments:
            initramfs = evolve(recipe.initramfs or InitramfsPart(), modules=("*",))
            good &= composing(evolve(recipe, initramfs=initramfs), image, "all modules")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
