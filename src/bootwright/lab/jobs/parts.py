"""What a laboratory needs for a boot: files, where it fetches them, arguments, and what has to be seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

from bootwright.formats.sources.address import is_address
from bootwright.foundation.errors import Refused
from bootwright.kernels.model import Kernel
from bootwright.lab.probes.boot import plan_boot

KERNEL, RAMDISK, DEVICETREE, IMAGE = "Image", "initramfs.cpio", "board.dtb", "image.raw"
"""Names of the files under a job's address."""
MARK = "bootwright"
"""What results are marked with where the kernel's arguments say no other word (lab/probes/ktap.py)."""
SECONDS = 300
"""Seconds for a boot with probes, its transfer included; slow machines take a tenth of that."""
BOARD_SECONDS = 1800
"""Seconds for a boot of a whole image: gigabytes are fetched and written first."""


@frozen
class JobFile:
    """A file that has to be put under the job's address."""

    name: str
    source: Path
    """Where it is on this machine."""
    sha256: str


@frozen
class Emulator:
    """The emulated machine, in the words of LAVA's `qemu` device type."""

    machine: str
    cpu: str
    """Empty for the machine's own."""
    memory: int | None
    """MiB; None for what the laboratory gives."""


@frozen
class Milestone:
    """What a line of a console says where an outcome is reached, and where it is not: regular expressions."""

    outcome: str
    works: tuple[str, ...]
    fails: tuple[str, ...]


@frozen
class JobParts:
    """A boot, for a laboratory. Either `kernel` or `image` is there."""

    title: str
    """For people."""
    base: str
    """The address under which the files will be."""
    tests: tuple[str, ...]
    """What the boot is to tell: groups of probes, or outcomes of a plan."""
    kernel: JobFile | None = None
    ramdisk: JobFile | None = None
    devicetree: JobFile | None = None
    image: JobFile | None = None
    """A disk image, to be written to the board's card."""
    arguments: tuple[str, ...] = ()
    """The kernel's."""
    emulator: Emulator | None = None
    milestones: tuple[Milestone, ...] = ()
    """What decides a boot without probes."""
    tags: tuple[str, ...] = ()
    """What the board has to be, beside its type."""
    metadata: Mapping[str, str] = field(factory=dict)

    @property
    def files(self) -> tuple[JobFile, ...]:
        """Every file of the job."""
        named = (self.kernel, self.ramdisk, self.devicetree, self.image)
        return tuple(file for file in named if file is not None)

    @property
    def seconds(self) -> int:
        """For the boot, its transfer included."""
        return BOARD_SECONDS if self.image is not None or self.milestones else SECONDS

    def address(self, file: JobFile) -> str:
        """Where the laboratory fetches it."""
        return f"{self.base}/{file.name}"


def check_address(base: str) -> str:
    """The address without a `/` at its end; raises `Refused` for what is none."""
    if not is_address(base) or any(char.isspace() for char in base):
        raise Refused(f"{base!r} is no address", hint="it looks like https://HOST/FOLDER")
    return base.rstrip("/")


def probe_parts(
    kernel: Kernel,
    probes: Sequence[str],
    machine: str,
    base: str,
    *,
    emulated: bool,
    devicetree: JobFile | None = None,
    title: str = "",
    metadata: Mapping[str, str] | None = None,
) -> JobParts:
    """A boot with probes: everything settled, nothing written; raises `Refused`, and as `plan_boot`.

    `devicetree` is what a board is handed; an emulated machine makes its own.
    """
    # Arguments that only make the emulator quicker here may be wrong on another machine.
    planned = plan_boot(kernel, probe=probes, machine=machine, plain=True)
    words = (*planned.target.arguments, "-m", "")
    memory = words[words.index("-m") + 1]
    emulator = Emulator(
        planned.target.machine.split(",")[0], planned.processor.model or "", int(memory) if memory else None
    )
    facts = {"kernel": kernel.name, "release": kernel.release, "page size": str(kernel.page_size)}
    return JobParts(
        title=title or f"{kernel.name} {','.join(probes)}",
        base=check_address(base),
        tests=tuple(probes),
        kernel=JobFile(KERNEL, kernel.image, kernel.image_sha256),
        ramdisk=JobFile(RAMDISK, planned.archive, planned.archive_sha256),
        devicetree=devicetree,
        arguments=planned.kernel_arguments,
        emulator=emulator if emulated else None,
        metadata={**facts, **(metadata or {})},
    )
