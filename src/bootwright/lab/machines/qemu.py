"""QEMU: found, new enough, with the machine asked for; and the command that starts it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.cache import QEMU
from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.versions import Version
from bootwright.lab.machines.machine import Machine, Processor

PROGRAM = "qemu-system-aarch64"


@frozen
class Qemu:
    """An emulator on this machine."""

    path: Path
    version: Version
    machines: frozenset[str]
    """The names `-machine help` lists."""

    @property
    def title(self) -> str:
        """As recordings name it: `QEMU 7.2.22`."""
        return f"QEMU {self.version}"


def find() -> Qemu:
    """The QEMU of this machine.

    Asking it costs more than a tenth of a boot, so the answer is kept for as long as its file does not
    change. Raises `Missing`, or `ToolFailed` when it does not say its version.
    """
    path = tools.need(PROGRAM, purpose="boot a kernel").resolve()
    state = path.stat()
    identity = f"{path}:{state.st_size}:{state.st_mtime_ns}"
    name = f"{hashlib.sha256(identity.encode()).hexdigest()[:32]}.json"
    kept = QEMU.kept(name, lambda: _asked(path))
    try:
        return _read(path, kept)
    except (OSError, ValueError, KeyError, TypeError):  # damaged
        kept.unlink(missing_ok=True)
        return _read(path, QEMU.kept(name, lambda: _asked(path)))


def _read(path: Path, kept: Path) -> Qemu:
    answer = json.loads(kept.read_bytes())
    version = Version.parse(answer["version"])
    if version is None:
        raise ValueError(f"{answer['version']} is not a version")
    return Qemu(path, version, frozenset(map(str, answer["machines"])))


def _asked(path: Path) -> bytes:
    """Version and machines, as the program prints them, as JSON."""
    output = tools.run([path, "--version"], timeout=30).decode(errors="replace")
    match = re.search(r"version (\d+\.\d+(?:\.\d+)*)", output)
    version = Version.parse(match[1]) if match else None
    if version is None:
        raise ToolFailed(PROGRAM, f"its --version names no version: {output[:200]}")
    listing = tools.run([path, "-machine", "help"], timeout=30).decode(errors="replace")
    machines = sorted({line.split()[0] for line in listing.splitlines()[1:] if line.split()})
    return json.dumps({"version": str(version), "machines": machines}).encode()


def check(qemu: Qemu, machine: Machine, processor: Processor) -> None:
    """Raises `Missing` when this QEMU is too old for the machine or its CPU, or lacks the machine."""
    needed = max(machine.minimum_qemu, processor.minimum_qemu)
    if qemu.version < needed:
        raise Missing(
            f"machine {machine.name} needs QEMU {needed} or later; {qemu.path} is {qemu.version}",
            hint="install a newer qemu-system-arm (distributions offer one as a backport)",
        )
    if machine.machine.split(",")[0] not in qemu.machines:
        raise Missing(
            f"this QEMU ({qemu.path}, {qemu.version}) was built without machine {machine.machine}",
            hint="install your distribution's full qemu-system-arm",
        )


@frozen
class MemoryFile:
    """A file that is the machine's memory."""

    path: Path
    size: int
    """MiB."""
    restored: bool
    """The file stays as it is: what the guest writes is the machine's own, and its state is awaited
    (`-incoming defer`). The kernel is not booted and only says that there is one: machines set PSCI up
    otherwise without (hw/arm/boot.c). Where it is false the guest writes into the file."""


def command(
    qemu: Qemu,
    machine: Machine,
    processor: Processor,
    *,
    kernel: Path,
    initramfs: Path,
    kernel_arguments: Sequence[str],
    network: bool,
    control: int | None,
    memory: int | None = None,
    debugger: int | None = None,
    file: MemoryFile | None = None,
) -> tuple[str, ...]:
    """The command line: console on stdout, nothing on stdin, QMP on file descriptor `control`.

    `memory` is in MiB and replaces the machine's own. With a socket's descriptor as `debugger` the machine
    waits there, before its first instruction, for a client of GDB's remote protocol.
    """
    quoted = [_quoted(path) for path in (kernel, initramfs)]
    parts = [str(qemu.path), "-machine", machine.machine + (",memory-backend=memory" if file else "")]
    if processor.model:
        parts += ["-cpu", processor.model]
    parts += _with_memory(machine.arguments, memory)
    if file is not None:
        share = "off" if file.restored else "on"
        backend = f"memory-backend-file,id=memory,size={file.size}M,share={share}"
        parts += ["-object", f"{backend},mem-path={_quoted(file.path)}"]
    parts += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    parts += ["-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console"]
    if network:
        parts += machine.network.arguments
    if control is not None:
        parts += ["-chardev", f"socket,id=control,fd={control}", "-mon", "chardev=control,mode=control"]
    if debugger is not None:
        parts += ["-chardev", f"socket,id=debugger,fd={debugger}", "-gdb", "chardev:debugger", "-S"]
    parts += ["-kernel", quoted[0]]
    if file is not None and file.restored:
        return (*parts, "-incoming", "defer")
    parts += ["-initrd", quoted[1], "-append", " ".join(kernel_arguments)]
    return tuple(parts)


def _quoted(path: Path) -> str:
    """As a value among others of an option."""
    return str(path).replace(",", ",,")


def memory_of(machine: Machine) -> int | None:
    """MiB that a machine has where nothing else is said; None where its file does not say."""
    if "-m" not in machine.arguments:
        return None
    return int(machine.arguments[machine.arguments.index("-m") + 1])


def _with_memory(arguments: tuple[str, ...], memory: int | None) -> tuple[str, ...]:
    if memory is None or "-m" not in arguments:
        return arguments
    at = arguments.index("-m") + 1
    return (*arguments[:at], str(memory), *arguments[at + 1 :])


def fitting_memory(machine: Machine, *, page_size: int, kernel: int, initramfs: int) -> int | None:
    """MiB for a machine whose memory may be fitted, else None; `kernel` and `initramfs` are bytes.

    The kernel in memory is half as large again as its file (BSS, per-CPU areas, what it copies out of its
    init sections); the initramfs is there twice while it is unpacked; caches and stacks of the probe come in
    pages, hence the share of the page size. Rounded up to a power of two, as the kernel rounds its tables.
    """
    most = memory_of(machine)
    if machine.least_memory is None or most is None:
        return None
    mebibyte = 1 << 20
    needed = 40 + 8 * page_size // 4096 + (kernel * 3 // 2 + initramfs * 3) // mebibyte
    return min(most, max(machine.least_memory, 1 << max(0, needed - 1).bit_length()))
