"""What really binds: a kernel with all its modules on an emulated machine that runs from a devicetree.

The guest loads modules by modalias as udev does, waits until deferred probing has settled, and states every
device with its node and driver, and what DHCP gives on each network interface. The result is a `Truth`
(`lab/truth/recording.py`), small enough to keep as a fixture.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.formats.kernel.module_index import ModuleIndex, read_module_tree
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.places import source_tree
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import qemu
from bootwright.lab.machines.machine import Machine
from bootwright.lab.machines.run import run
from bootwright.lab.probes import initramfs
from bootwright.lab.probes.probe import build_with_any
from bootwright.lab.probes.probe import init as find_init
from bootwright.lab.truth.recording import Truth, parse

_FOLDER = "bootwright"
# The kernel says of a probe that ends in -ENODEV or -ENXIO only when asked to (drivers/base/dd.c
# call_driver_probe, Linux 6.12); those of a whole boot are more than its log holds by default.
_TELL_REFUSALS = ('dyndbg="func call_driver_probe +p"', "log_buf_len=8M")
_LONGEST_END = 100
"""Bytes of the line that ends what the guest states."""


def record(
    kernel: Kernel,
    machine: Machine,
    *,
    arguments: Sequence[str] = (),
    timeout: float = 900.0,
    settle: int = 12,
    on_console: Callable[[bytes], None] | None = None,
) -> tuple[Truth, bytes]:
    """Boot and state; returns the truth and the console.

    `timeout` is in seconds of guest time, `settle` the seconds without anything new after which the guest
    states its devices. Raises `Missing` where the kernel has no modules, `ToolFailed` where the guest did
    not get to its end (the console's last lines are in the error), and what `lab.machines.qemu` raises.
    """
    if kernel.modules is None:
        raise Missing(f"{kernel.name} has no modules here", hint="fetch it with its modules")
    processor = machine.processor(kernel.page_size)
    emulator = qemu.find()
    qemu.check(emulator, machine, processor)
    archive, _ = initramfs.build(find_init(), _members(kernel.modules))
    mark = f"bw{secrets.token_hex(8)}"
    kernel_arguments = (
        f"console={machine.console}",
        "panic=-1",
        "quiet",
        "cryptomgr.notests",
        *_TELL_REFUSALS,
        *machine.kernel_arguments,
        "bootwright.probe=truth",
        f"bootwright.mark={mark}",
        f"bootwright.settle={settle}",
        *arguments,
    )

    def with_control(control: int) -> tuple[str, ...]:
        return qemu.command(
            emulator,
            machine,
            processor,
            kernel=kernel.image,
            initramfs=archive,
            kernel_arguments=kernel_arguments,
            network=True,
            control=control,
        )

    seen = bytearray()
    end = re.compile(rb"%s: truth \d+ end\b" % mark.encode())

    def watch(chunk: bytes) -> None:
        seen.extend(chunk)
        if on_console is not None:
            on_console(chunk)
        if end.search(seen, max(0, len(seen) - len(chunk) - _LONGEST_END)):
            raise _Stated

    ended = "stated everything"
    with contextlib.suppress(_Stated):
        ended = run(with_control, timeout=timeout, silence=120.0, on_console=watch).ended
    console = bytes(seen)
    truth = parse(
        console,
        mark,
        machine=machine.name,
        kernel=kernel.name,
        release=kernel.release,
        emulator=emulator.title,
    )
    if truth is None:
        tail = console.decode(errors="replace").replace("\r", "")[-3000:]
        raise ToolFailed("the guest", f"{tail}\nit ended ({ended}) before it stated its devices")
    return truth, console


class _Stated(Exception):
    """The guest has said all: not every machine can power itself off."""


def _members(tree: Path) -> Iterator[cpio.Member]:
    """Every module of the tree, as it is, and the two tables the guest loads by."""
    index = read_module_tree(tree)
    order = sorted(index.modules)
    number = {name: position for position, name in enumerate(order)}
    yield cpio.folder("sbin")
    yield cpio.Member("sbin/modprobe", _modprobe(), stat.S_IFREG | 0o755)
    yield cpio.folder(_FOLDER)
    yield cpio.folder(f"{_FOLDER}/modules")
    for name in order:
        path = tree / index.path(name)
        yield cpio.Member(f"{_FOLDER}/modules/{path.name}", path.read_bytes())
    yield cpio.Member(f"{_FOLDER}/truth.modules", _module_table(index, order, number).encode())
    lines = [
        f"{number[name]} {alias}\n" for name in order for alias in index.modules[name].aliases if ":" in alias
    ]
    yield cpio.Member(f"{_FOLDER}/truth.aliases", "".join(lines).encode())


def _modprobe() -> bytes:
    """The program that the kernel runs to load a module it asks for by itself (request_module)."""
    tree = source_tree()
    if tree is None:
        raise Missing(
            "recording truth needs the sources of the guest's programs", hint="run it in a checkout"
        )
    with tempfile.TemporaryDirectory(prefix="bootwright-") as folder:
        probes = tree / "probes"
        names = ("load.c", "load.h", "guest.h", "start.c", "text.c", "modprobe/modprobe.c")
        sources = [Path(shutil.copy(probes / name, folder)) for name in names]
        built = build_with_any(sources)
    if built is None:
        raise Missing(
            "a compiler for arm64 is needed, and none is installed", hint="install gcc-aarch64-linux-gnu"
        )
    return built[0]


def _module_table(index: ModuleIndex, order: Sequence[str], number: dict[str, int]) -> str:
    lines = []
    for name in order:
        before = [str(number[other]) for other in index.closure(name) if other in number]
        file = index.path(name).rpartition("/")[2]
        lines.append(f"/{_FOLDER}/modules/{file} {''.join(f'{one},' for one in before)}\n")
    return "".join(lines)
