"""What a laboratory needs to boot a kernel with probes: two files, where it fetches them, and arguments."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.formats.sources.address import is_address
from bootwright.foundation.atomic import new_file
from bootwright.foundation.errors import Refused
from bootwright.kernels.model import Kernel
from bootwright.lab.probes.boot import PlannedBoot, plan_boot

KERNEL, RAMDISK = "Image", "initramfs.cpio"
MARK = "bootwright"
"""What results are marked with where the kernel's arguments say no other word (lab/probes/ktap.py)."""
SECONDS = 300
"""Seconds for a boot, its transfer included; slow machines take a tenth of that."""


@frozen
class JobParts:
    """A boot, for a laboratory."""

    planned: PlannedBoot
    probes: tuple[str, ...]
    base: str
    """The address under which the files will be."""

    @property
    def kernel_url(self) -> str:
        """Where the kernel's Image is."""
        return f"{self.base}/{KERNEL}"

    @property
    def ramdisk_url(self) -> str:
        """Where the initramfs with the probes is."""
        return f"{self.base}/{RAMDISK}"

    @property
    def name(self) -> str:
        """For people."""
        return f"bootwright {self.planned.kernel.name} {','.join(self.probes)}"


def job_parts(kernel: Kernel, probes: Sequence[str], machine: str, base: str) -> JobParts:
    """Everything settled, nothing written; raises `Refused` for what is no address, and as `plan_boot`."""
    if not is_address(base) or any(char.isspace() for char in base):
        raise Refused(f"{base!r} is no address", hint="it looks like https://HOST/FOLDER")
    # Arguments that only make the emulator quicker here may be wrong on another machine.
    planned = plan_boot(kernel, probe=probes, machine=machine, plain=True)
    return JobParts(planned, tuple(probes), base.rstrip("/"))


def write_files(parts: JobParts, folder: Path) -> None:
    """Put the kernel and the initramfs into a folder, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for source, name in ((parts.planned.kernel.image, KERNEL), (parts.planned.archive, RAMDISK)):
        with source.open("rb") as content, new_file(folder / name) as file:
            shutil.copyfileobj(content, file)
