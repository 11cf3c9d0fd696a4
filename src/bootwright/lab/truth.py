"""What really binds: a kernel with all its modules on an emulated machine that runs from a devicetree.

The guest loads modules by modalias as udev does, waits until deferred probing has settled, and states every
device with its node and driver. The result is a `Truth`, small enough to keep as a fixture.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import secrets
import shutil
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict, frozen

from bootwright.artifacts import cpio
from bootwright.artifacts.module_index import ModuleIndex, read_module_tree
from bootwright.foundation.errors import Malformed, Missing, ToolFailed
from bootwright.foundation.places import source_tree
from bootwright.kernels.model import Kernel
from bootwright.lab import initramfs, qemu
from bootwright.lab.machines import Machine
from bootwright.lab.probe import build_with_any
from bootwright.lab.probe import init as find_init
from bootwright.lab.run import run

SCHEMA = "bootwright/truth/1"
_FOLDER = "bootwright"
# Not devices of their own: each repeats the node of the device that made it, or is a part of it.
_SHADOWS = frozenset(
    {
        "gpio",
        "nvmem",
        "iio",
        "serial-base",
        "genpd_provider",
        "event_source",
        "workqueue",
        "clocksource",
        "nd",
    }
)


@frozen
class Device:
    """A device that has a devicetree node."""

    node: str
    bus: str
    name: str
    driver: str | None


@frozen
class Truth:
    """What a guest had after everything settled."""

    machine: str
    kernel: str
    release: str
    qemu: str
    devices: tuple[Device, ...]
    interfaces: tuple[tuple[str, str], ...]
    """(name, node) of network interfaces; `-` for none."""
    deferred: tuple[tuple[str, str], ...]
    """(device, reason) of what is still waiting."""
    failed_modules: tuple[tuple[str, str], ...]
    fdt: bytes
    """The devicetree as the guest had it."""

    def bound(self) -> dict[str, str]:
        """Node → driver, for every node that has a device with one."""
        found: dict[str, str] = {}
        for device in self.devices:
            if device.driver is not None and device.bus not in _SHADOWS:
                found.setdefault(device.node, device.driver)
        return found

    def present(self) -> frozenset[str]:
        """Nodes that have a device."""
        return frozenset(device.node for device in self.devices if device.bus not in _SHADOWS)


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
    not get to its end (the console's last lines are in the error), and what `lab.qemu` raises.
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
    end = f"{mark}: truth end".encode()

    def watch(chunk: bytes) -> None:
        seen.extend(chunk)
        if on_console is not None:
            on_console(chunk)
        if end in seen[-len(chunk) - len(end) :]:
            raise _Stated

    ended = "stated everything"
    with contextlib.suppress(_Stated):
        ended = run(with_control, timeout=timeout, silence=120.0, on_console=watch).ended
    console = bytes(seen)
    truth = parse(console, mark, machine=machine.name, kernel=kernel, emulator=emulator.title)
    if truth is None:
        tail = console.decode(errors="replace").replace("\r", "")[-3000:]
        raise ToolFailed("the guest", f"{tail}\nit ended ({ended}) before it stated its devices")
    return truth, console


class _Stated(Exception):
    """The guest has said all: not every machine can power itself off."""


def parse(console: bytes, mark: str, *, machine: str, kernel: Kernel, emulator: str) -> Truth | None:
    """The guest's statements in a console, or None where it did not reach their end."""
    devices: list[Device] = []
    interfaces: list[tuple[str, str]] = []
    deferred: list[tuple[str, str]] = []
    modules: list[tuple[str, str]] = []
    parts: dict[int, bytes] = {}
    ended = False
    for line in _lines(console, mark):
        kind, _, rest = line.partition(" ")
        words = rest.split(" ")
        if kind == "device" and len(words) == 4:
            bus, name, driver, node = words
            devices.append(Device(node, bus, name, None if driver == "-" else driver))
        elif kind == "interface" and len(words) == 2:
            interfaces.append((words[0], words[1].removeprefix("/devicetree/base")))
        elif kind == "deferred":
            device, _, reason = rest.partition("\t")
            deferred.append((device.strip(), reason.strip()))
        elif kind == "module" and len(words) >= 2:
            modules.append((words[0], " ".join(words[1:])))
        elif kind == "fdt" and len(words) == 2 and words[0].isdigit() and _is_hex(words[1]):
            parts[int(words[0])] = bytes.fromhex(words[1])
        elif kind == "end":
            ended = True
    if not ended:
        return None
    fdt = b"".join(parts[at] for at in sorted(parts))
    return Truth(
        machine=machine,
        kernel=kernel.name,
        release=kernel.release,
        qemu=emulator,
        devices=tuple(sorted(set(devices), key=lambda one: (one.node, one.bus, one.name))),
        interfaces=tuple(sorted(set(interfaces))),
        deferred=tuple(sorted(set(deferred))),
        failed_modules=tuple(sorted(set(modules))),
        fdt=fdt[:4] + len(fdt).to_bytes(4, "big") + fdt[8:],  # without the padding
    )


def _lines(console: bytes, mark: str) -> Iterator[str]:
    """What the guest stated; a line comes twice where an early and a real console are both on."""
    wanted = f"{mark}: truth "
    for line in console.decode(errors="replace").replace("\r", "").split("\n"):
        _, found, rest = line.partition(wanted)
        if found:
            yield rest


def _is_hex(text: str) -> bool:
    return len(text) % 2 == 0 and all(char in "0123456789abcdef" for char in text)


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


def to_json(truth: Truth) -> str:
    """For a fixture: the devicetree compressed, everything else readable."""
    document: dict[str, Any] = {"schema": SCHEMA, **asdict(truth)}
    document["fdt"] = base64.b64encode(zlib.compress(truth.fdt, 9)).decode()
    document["fdt_sha256"] = hashlib.sha256(truth.fdt).hexdigest()
    document["devices"] = [[one.node, one.bus, one.name, one.driver] for one in truth.devices]
    return json.dumps(document, indent=None, separators=(",", ":")).replace('],["/', '],\n["/') + "\n"


def from_json(text: str, where: str) -> Truth:
    """A fixture; raises `Malformed`."""
    try:
        document = json.loads(text)
        return Truth(
            machine=document["machine"],
            kernel=document["kernel"],
            release=document["release"],
            qemu=document["qemu"],
            devices=tuple(Device(*one) for one in document["devices"]),
            interfaces=tuple((one[0], one[1]) for one in document["interfaces"]),
            deferred=tuple((one[0], one[1]) for one in document["deferred"]),
            failed_modules=tuple((one[0], one[1]) for one in document["failed_modules"]),
            fdt=zlib.decompress(base64.b64decode(document["fdt"])),
        )
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise Malformed(where, None, "a recorded truth", repr(error)) from error
