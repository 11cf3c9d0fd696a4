"""Pairs of images with a planted fault: a Raspberry Pi's card as it should be, and one that does not come up.

Both are whole builds. The bad one differs from the good one in every part (another kernel with its modules
and devicetrees, another config.txt, arguments, firmware files, overlay), and one of these is the fault.
Every part is real: Debian's kernels, modules and devicetrees, booted on QEMU's raspi3b with the firmware's
stage done by bootwright.
"""

from __future__ import annotations

import random
import stat
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives import cpio
from bootwright.foundation import guest, tools
from bootwright.foundation.errors import Missing
from bootwright.images.parts.initramfs_part import compressed
from bootwright.images.parts.module_files import plain_bytes, plain_name
from bootwright.kernels.catalogue import open_library
from bootwright.kernels.modules import ModuleFiles

GOAL = "machine is running and ready"
GOOD, OTHER, OLD, BIG_PAGES = (
    "debian-6.18.15-4k",
    "debian-6.17.13-4k",
    "debian-6.12.107-4k",
    "debian-6.18.15-16k",
)
DTB = "/bcm2837-rpi-3-b.dtb"
MIB = 1 << 20

Files = dict[str, bytes]

_ROOT = Path(__file__).resolve().parents[1]
_INIT = (
    "benchmarks/planted_init/init.c",
    *(f"probes/{name}.c" for name in ("start", "text", "system", "gallery/words")),
)
_DRIVERS = ("mmc_block", "bcm2835", "squashfs")
# The PL011 on the header's pins, as the board has it without Bluetooth.
_OVERLAY = """/dts-v1/; /plugin/;
/ { compatible = "brcm,bcm2837";
    fragment@0 { target = <&uart1>; __overlay__ { status = "disabled"; }; };
    fragment@1 { target = <&uart0>; __overlay__ { pinctrl-0 = <&uart0_gpio14>; status = "okay"; }; };
    fragment@2 { target = <&bt>; __overlay__ { status = "disabled"; LABEL }; };
};
"""
_CONFIG = """arm_64bit=1
enable_uart=1
kernel=vmlinuz
initramfs initramfs.xz followkernel
[pi3]
dtoverlay=header-pl011
[all]
"""
_ARGUMENTS = "console=ttyAMA0,115200 root=/dev/mmcblk0p2 cryptomgr.notests quiet\n"


@frozen
class Fault:
    """Something wrong with the bad image."""

    name: str
    plant: Callable[[Files], Files]
    expected: Callable[[frozenset[str]], bool]
    """Whether what was found to blame is it."""
    kernel: str = OTHER
    """What the bad image is built of."""


@cache
def _init() -> bytes:
    sources = [_ROOT / name for name in _INIT]
    built = guest.build_with_any(sources, _ROOT)
    if built is None:
        raise Missing(
            "a compiler for arm64 is needed to build the init of planted images, and none is installed",
            hint="install gcc-aarch64-linux-gnu (or clang and lld, or zig)",
        )
    return built[0]


def initramfs(kernel: str, *, note: bytes = b"", without: str = "") -> bytes:
    """An xz cpio with the init and the modules that it loads."""
    tree = open_library().get(kernel).modules
    assert tree is not None
    members: dict[str, cpio.Member] = {}
    listed = []
    for path in ModuleFiles(tree).order(_DRIVERS):
        name = f"usr/lib/modules/{tree.name}/{path.parent.relative_to(tree).as_posix()}/{plain_name(path)}"
        listed.append(f"/{name}\n")
        if path.name.split(".")[0] != without:
            members[name] = cpio.Member(name, plain_bytes(path))
    files = [
        cpio.Member("init", _init(), stat.S_IFREG | 0o755),
        cpio.Member("etc/modules", "".join(listed).encode()),
        cpio.Member("etc/build", note),
        *members.values(),
    ]
    folders = {"dev", "proc", "root"}
    for member in files:
        parts = member.name.split("/")[:-1]
        folders.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    archive = cpio.write([*(cpio.folder(directory) for directory in sorted(folders)), *files])
    with tempfile.TemporaryDirectory() as folder:
        return compressed(archive, "xz", Path(folder) / "packed").read_bytes()


def _blob(text: str) -> bytes:
    return tools.run(["dtc", "-q", "-@", "-O", "dtb"], input_bytes=text.encode())


def _devicetree(kernel: str, name: str) -> bytes:
    folder = open_library().get(kernel).dtbs
    assert folder is not None
    return next(folder.rglob(name)).read_bytes()


def build(kernel: str, *, other: bool) -> Files:
    """The files of a card; `other`: another build, with harmless differences in every part."""
    seed = random.Random(kernel if other else "good")
    note = f"another build, of {kernel}" if other else "the first build"
    config = _CONFIG.replace("[pi3]", "gpu_mem=32\n[pi3]").replace("[all]\n", "[all]\ndisable_splash=1\n")
    label = 'label = "x";' if other else ""
    return {
        "/config.txt": (config if other else _CONFIG).encode(),
        "/cmdline.txt": (
            _ARGUMENTS.replace("quiet", "consoleblank=0 quiet") if other else _ARGUMENTS
        ).encode(),
        "/vmlinuz": open_library().get(kernel).image.read_bytes(),
        "/initramfs.xz": initramfs(kernel, note=note.encode()),
        DTB: _devicetree(kernel, DTB[1:]),
        "/bcm2837-rpi-3-b-plus.dtb": _devicetree(kernel, "bcm2837-rpi-3-b-plus.dtb"),
        "/overlays/header-pl011.dtbo": _blob(_OVERLAY.replace("LABEL", label)),
        "/start.elf": seed.randbytes(20_000),
        "/fixup.dat": seed.randbytes(500),
        "/bootcode.bin": seed.randbytes(5_000),
    }


def make_card(path: Path, files: Files) -> Path:
    """A card: FAT with the files, and a squashfs root in the second partition."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        workdir = Path(folder)
        part, root, empty = workdir / "fat", workdir / "root", workdir / "empty"
        with part.open("wb") as file:
            file.truncate(126 * MIB)
        tools.run(["mkfs.vfat", "--invariant", "-n", "BOOT", part])
        tools.run(["mmd", "-i", part, "::/overlays"])
        for name, data in files.items():
            (workdir / "file").write_bytes(data)
            tools.run(["mcopy", "-i", part, workdir / "file", f"::{name}"])
        empty.mkdir()
        tools.run(["mksquashfs", empty, root, "-quiet", "-no-progress", "-all-time", "0", "-mkfs-time", "0"])
        with path.open("wb") as file:
            file.truncate(129 * MIB)
        table = (
            "label: dos\nlabel-id: 0x12345678\nstart=2048, size=258048, type=c\n"
            "start=260096, size=2048, type=83\n"
        )
        tools.run(["sfdisk", "--quiet", "--no-tell-kernel", path], input_bytes=table.encode())
        for source, at in ((part, 1), (root, 127)):
            tools.run(
                [
                    "dd",
                    f"if={source}",
                    f"of={path}",
                    "bs=1M",
                    f"seek={at}",
                    "conv=notrunc,sparse",
                    "status=none",
                ]
            )
    return path


def _edited(name: str, old: str, new: str) -> Callable[[Files], Files]:
    def plant(files: Files) -> Files:
        assert old.encode() in files[name], (name, old)
        return files | {name: files[name].replace(old.encode(), new.encode())}

    return plant


def _without(name: str) -> Callable[[Files], Files]:
    return lambda files: {name_kept: data for name_kept, data in files.items() if name_kept != name}


def _no_card_slot(files: Files) -> Files:
    """A devicetree in which the SD host controller is switched off."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.dtb"
        path.write_bytes(files[DTB])
        tools.run(["fdtput", "-t", "s", path, "/soc/mmc@7e202000", "status", "disabled"])
        return files | {DTB: path.read_bytes()}


def _is(*names: str) -> Callable[[frozenset[str]], bool]:
    return lambda causes: causes == frozenset(names)


def _kernel(causes: frozenset[str]) -> bool:
    """The kernel, alone or with the modules that cannot be parted from it."""
    return "kernel" in causes and all(cause == "kernel" or ": modules of " in cause for cause in causes)


def _dtb(causes: frozenset[str]) -> bool:
    return len(causes) == 1 and "".join(causes).startswith("dtb: bcm2837-rpi-3-b.dtb")


FAULTS = (
    Fault("wrong DTB", _no_card_slot, _dtb),
    Fault(
        "missing module",
        lambda files: files | {"/initramfs.xz": initramfs(GOOD, note=b"another build", without="bcm2835")},
        _is("initramfs: module bcm2835"),
        GOOD,
    ),
    Fault(
        "wrong console",
        _edited("/cmdline.txt", "console=ttyAMA0", "console=ttyAMA3"),
        _is("command line: console=ttyAMA0,115200 → console=ttyAMA3,115200"),
    ),
    Fault(
        "bad cmdline argument",
        _edited("/cmdline.txt", " quiet", " rdinit=/sbin/init quiet"),
        _is("command line: +rdinit=/sbin/init"),
    ),
    Fault("missing overlay", _without("/overlays/header-pl011.dtbo"), _is("overlays")),
    Fault(
        "config.txt line",
        _edited("/config.txt", "initramfs initramfs.xz", "initramfs initrd.img"),
        lambda names: len(names) == 1 and "initrd.img" in "".join(names) and "config.txt" in "".join(names),
    ),
    Fault(
        "truncated initramfs",
        lambda files: (
            files | {"/initramfs.xz": files["/initramfs.xz"][: len(files["/initramfs.xz"]) * 2 // 3]}
        ),
        _is("initramfs"),
        GOOD,
    ),
    Fault("kernel < 6.15", lambda files: files, _kernel, OLD),
    Fault("wrong granule", lambda files: files, _kernel, BIG_PAGES),
    Fault("missing DTB file", _without(DTB), _dtb),
    Fault(
        "corrupted kernel",
        lambda files: (
            files | {"/vmlinuz": files["/vmlinuz"][: 8 * MIB] + bytes(MIB) + files["/vmlinuz"][9 * MIB :]}
        ),
        _kernel,
    ),
    Fault(
        "wrong root",
        _edited("/cmdline.txt", "mmcblk0p2", "mmcblk0p5"),
        _is("command line: root=/dev/mmcblk0p2 → root=/dev/mmcblk0p5"),
    ),
)
PAIR = Fault(
    "a pair",
    # A second archive with an init that cannot run: without the file the firmware leaves it out, without the
    # line it does not read it.
    lambda files: _edited("/config.txt", "initramfs.xz follow", "initramfs.xz,extra.cpio follow")(
        files | {"/extra.cpio": cpio.write([cpio.Member("init", b"nothing", stat.S_IFREG | 0o755)])}
    ),
    lambda names: len(names) == 2 and "other files" in names and any("extra.cpio" in name for name in names),
)
