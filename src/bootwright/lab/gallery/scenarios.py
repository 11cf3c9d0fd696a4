"""Scenarios that boot into a known failure: read from `data/gallery/`, booted, diagnosed, compared.

The lab knows nothing of diagnosis and diagnosis nothing of the lab; this is where they meet.
"""

from __future__ import annotations

import gzip
import lzma
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from bootwright.formats.archives import cpio
from bootwright.formats.modules.modinfo import plain_module
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import guest, tools
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.places import DATA
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.structure import STEM
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import firmware, qemu
from bootwright.lab.machines import machine as machines
from bootwright.lab.machines.run import run
from bootwright.lab.probes import filesystems

FOLDER = DATA / "gallery"
_MACHINE = "virt"
_TIMEOUT = 60.0
_SILENCE = 25.0
"""Seconds of guest time; a hung boot is one of the things recorded here."""
_MOST_MODULE = 64 << 20
_DISKS = {
    # A disk of zeros whose every read fails (QEMU's docs/devel/blkdebug.rst).
    "errors": (
        "-blockdev",
        '{"driver": "blkdebug", "node-name": "disk", "image": {"driver": "null-co", "size": 67108864, '
        '"read-zeroes": true}, "inject-error": [{"event": "none", "iotype": "read", "errno": 5}]}',
    ),
}
_NETWORKS = {
    # Port 9 discards (RFC 863), whether anybody listens or not.
    "silent": "socket,id=net,udp=127.0.0.1:9,localaddr=127.0.0.1:0",
    # A hub without a second port never takes a packet.
    "stuck": "hubport,id=net,hubid=0",
}


def _zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=10, write_checksum=True).compress(data)


_COMPRESSIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    # The kernel's decoder takes no 64-bit check (lib/xz, CRC32 only).
    "xz": lambda data: lzma.compress(data, check=lzma.CHECK_CRC32),
    "zstd": _zstd,
}


@frozen
class Expected:
    """What the diagnosis has to say."""

    outcome: Literal["boot-ok", "degraded", "failed", "unknown"]
    stage: str
    root: str | None = None
    """Signature of the first finding; None where there must be no failure."""
    proof: str = ""
    """Text of a line among that finding's proof."""


@frozen
class GuestFile:
    """A member of the initramfs, as text or in hexadecimal."""

    text: str = ""
    hex: str = ""

    @property
    def data(self) -> bytes:
        """Its bytes."""
        return bytes.fromhex(self.hex) if self.hex else self.text.encode()


@frozen
class OtherModule:
    """A module of another kernel, put into the initramfs as `/other.ko`."""

    kernel: str
    name: str
    unsigned: bool = False
    """Whether its signature is taken off."""


@frozen
class MadeImage:
    """A file system image that one scenario alone needs."""

    type: str
    program: str
    arguments: tuple[str, ...]
    size: int
    """Bytes of the empty image."""


@frozen
class Scenario:
    """One boot that goes wrong in a known way (or, for comparison, does not)."""

    name: str = field(metadata=STEM)
    title: str
    kernel: str
    """A name of the catalogue; empty where the firmware starts nothing."""
    expected: Expected
    script: str = ""
    """What the guest does, a step a line."""
    arguments: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    """Names of `data/filesystems` cases, put into the initramfs as `/NAME.img`."""
    image: Mapping[str, MadeImage] = field(factory=dict)
    """Further ones, of this scenario alone."""
    files: Mapping[str, GuestFile] = field(factory=dict)
    """Further members of the initramfs, or others in place of its own; an empty `init` leaves it out."""
    other_module: OtherModule | None = None
    memory: int | None = None
    """MiB."""
    cpu: str | None = None
    initramfs: Literal["whole", "none", "damaged", "cut"] = "whole"
    compress: Literal["", "gzip", "xz", "zstd"] = ""
    network: Literal["", "silent", "stuck"] = ""
    """`silent`: nobody answers; `stuck`: nothing that is sent ever leaves; empty: no network card."""
    devicetree: str = ""
    """Source that is put after the machine's own devicetree."""
    firmware: str = ""
    """What starts first (a file of `data/firmware/`); empty for the kernel itself."""
    disk: Literal["", "errors"] = ""
    """`errors`: a virtio disk that cannot be read; empty for none."""
    any_kernel: bool = False
    """What it expects holds on every kernel of the catalogue: its words are put to the test with each."""
    golden: str | None = None
    """The signature that the recording is kept with, where that is not the root."""

    @property
    def made(self) -> tuple[filesystems.Case, ...]:
        """The images of this scenario alone, as cases to make."""
        return tuple(
            filesystems.Case(name, image.type, (), image.program, image.arguments, image.size, ())
            for name, image in self.image.items()
        )


SCENARIOS = Kind("gallery", "a scenario", Scenario, runs_programs=True)


@frozen
class Played:
    """A scenario that was booted."""

    console: bytes
    ended: str
    seconds: float
    machine: str


def play(scene: Scenario, kernels: Callable[[str, bool], Kernel]) -> Played:
    """Boot the scenario; `kernels(name, modules)` gets a kernel.

    Raises what getting the kernel, making the file systems or starting QEMU raise.
    """
    kernel = kernels(scene.kernel, bool(scene.modules)) if scene.kernel else None
    target = machines.MACHINES.get(_MACHINE)
    emulator = qemu.find()
    model = scene.cpu or target.processor(kernel.page_size if kernel else 4096).model
    parts = [str(emulator.path), "-machine", target.machine, "-cpu", str(model), "-smp", "1"]
    parts += ["-m", str(scene.memory or 512), "-nodefaults", "-no-user-config", "-display", "none"]
    parts += ["-no-reboot", "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
    if scene.network:
        parts += ["-netdev", _NETWORKS[scene.network], "-device", "virtio-net-device,netdev=net"]
    if scene.disk:
        parts += [*_DISKS[scene.disk], "-device", "virtio-blk-device,drive=disk"]
    with temporary_folder() as work_folder:
        if scene.devicetree:
            parts += ["-dtb", str(_devicetree(scene, parts, work_folder))]
        if scene.firmware:
            parts += firmware.firmware(scene.firmware).arguments()
        if kernel is not None:
            parts += ["-kernel", str(kernel.image)]
        if kernel is not None and scene.initramfs != "none":
            archive = work_folder / "initramfs"
            archive.write_bytes(_initramfs(scene, kernel, kernels))
            parts += ["-initrd", str(archive)]
        words = (f"console={target.console}", "panic=-1", "nokaslr", *scene.arguments)
        if kernel is not None:
            parts += ["-append", " ".join(words)]

        def command(control: int) -> tuple[str, ...]:
            return (*parts, "-chardev", f"socket,id=c,fd={control}", "-mon", "chardev=c,mode=control")

        ran = run(command, timeout=_TIMEOUT, silence=_SILENCE)
    return Played(ran.console, ran.ended, ran.wall_seconds, f"{emulator.title} {target.machine} {model}")


def _devicetree(scene: Scenario, parts: list[str], work_folder: Path) -> Path:
    """The machine's devicetree with the scenario's source after it."""
    own, source, made = work_folder / "own.dtb", work_folder / "made.dts", work_folder / "made.dtb"
    dump = list(parts)
    dump[dump.index("-machine") + 1] += f",dumpdtb={own}"
    tools.run(dump, cwd=work_folder, timeout=60)
    dtc = tools.need("dtc", purpose="change the machine's devicetree")
    tools.run([dtc, "-q", "-I", "dtb", "-O", "dts", "-o", source, own], cwd=work_folder, timeout=60)
    with source.open("a") as file:
        file.write(scene.devicetree)
    tools.run([dtc, "-q", "-@", "-I", "dts", "-O", "dtb", "-o", made, source], cwd=work_folder, timeout=60)
    return made


def _initramfs(scene: Scenario, kernel: Kernel, kernels: Callable[[str, bool], Kernel]) -> bytes:
    members = {
        "dev/console": cpio.character_device("dev/console", 5, 1),
        "init": cpio.Member("init", _guest(), stat.S_IFREG | 0o755),
        "script": cpio.Member("script", "\n".join((*scene.script.strip().splitlines(), "")).encode()),
    }
    if scene.modules:
        from bootwright.kernels.modules import dependencies

        order = [] if kernel.modules is None else dependencies(kernel.modules, scene.modules)
        for path in order:
            name = f"{path.name.split('.ko', 1)[0]}.ko"
            members[name] = cpio.Member(name, _module(path))
        listing = "".join(f"/{path.name.split('.ko', 1)[0]}.ko\n" for path in order)
        members["modules"] = cpio.Member("modules", listing.encode())
    if scene.other_module:
        from bootwright.kernels.modules import dependencies

        other = kernels(scene.other_module.kernel, True)
        if other.modules is not None:
            files = dependencies(other.modules, [scene.other_module.name])
            module = _module(files[-1])
            if scene.other_module.unsigned:
                module = _without_signature(module)
            members["other.ko"] = cpio.Member("other.ko", module)
    for case in (*filesystems.cases(), *scene.made):
        if case.name in scene.images or case in scene.made:
            image = f"{case.name}.img"
            members[image] = cpio.Member(image, filesystems.image(case).read_bytes())
    for own, file in scene.files.items():
        if file.data:
            members[own] = cpio.Member(own, file.data, stat.S_IFREG | 0o755)
        else:
            members.pop(own, None)
    archive = cpio.write([cpio.folder("dev"), *members.values()])
    if scene.compress:
        archive = _COMPRESSIONS[scene.compress](archive)
    if scene.initramfs == "damaged":
        middle = len(archive) // 2
        archive = (
            archive[:middle]
            + bytes(byte ^ 0xFF for byte in archive[middle : middle + 64])
            + archive[middle + 64 :]
        )
    elif scene.initramfs == "cut":
        archive = archive[: len(archive) // 2]
    return archive


def _module(path: Path) -> bytes:
    return plain_module(FileBytes(path), limit=_MOST_MODULE)


def _without_signature(module: bytes) -> bytes:
    """kernel/module/signing.c: the signature, `struct module_signature` (12 bytes) and a magic at the end."""
    magic = b"~Module signature appended~\n"
    if not module.endswith(magic):
        return module
    length = int.from_bytes(module[-len(magic) - 4 : -len(magic)], "big")
    return module[: -len(magic) - 12 - length]


def _guest() -> bytes:
    return guest.program("gallery").path.read_bytes()
