"""What really binds: a kernel with all its modules on an emulated machine that runs from a devicetree.

The guest loads modules by modalias as udev does, waits until deferred probing has settled, and states every
device with its node and driver, and what DHCP gives on each network interface. The result is a `Truth`
(`lab/truth/recording.py`), small enough to keep as a fixture.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from collections.abc import Callable, Sequence

from bootwright.foundation.errors import ToolFailed
from bootwright.kernels.model import Kernel
from bootwright.lab.machines import qemu
from bootwright.lab.machines.machine import Machine
from bootwright.lab.machines.run import run
from bootwright.lab.truth.modules import Archive, pack
from bootwright.lab.truth.recording import Truth, parse
from bootwright.lab.truth.refusals import GUEST, Given, refuse

_NO_MODULES = "nomodule"
"""The kernel then loads none (kernel/module/main.c `modules_disabled`, Linux 6.12)."""
# The kernel says of a probe that ends in -ENODEV or -ENXIO only when asked to (drivers/base/dd.c
# call_driver_probe, Linux 6.12); those of a whole boot are more than its log holds by default.
_TELL_REFUSALS = ('dyndbg="func call_driver_probe +p"', "log_buf_len=8M")
_LONGEST_END = 100
"""Bytes of the line that ends what the guest states."""


def record(
    kernel: Kernel,
    machine: Machine,
    *,
    archive: Archive | None = None,
    arguments: Sequence[str] = (),
    timeout: float = 900.0,
    silence: float = 120.0,
    settle: int = 12,
    brief: bool = False,
    on_console: Callable[[bytes], None] | None = None,
) -> tuple[Truth, bytes]:
    """Boot and state; returns the truth and the console.

    `archive` holds the modules to load (`truth_modules.pack`), all of the kernel's by default. `timeout` is
    in seconds of guest time, `silence` those without any byte of console, `settle` the seconds without
    anything new after which the guest states its devices. `brief` leaves out the devicetree and the network.

    Raises `Missing` where the kernel has no modules, `ToolFailed` where the guest did not get to its end (the
    console's last lines are in the error) or had less to load from than it was given (`refuse`), and what
    `lab.machines.qemu` raises.
    """
    archive = archive or pack(kernel)
    processor = machine.processor(kernel.page_size)
    emulator = qemu.find()
    qemu.check(emulator, machine, processor)
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
        *(("bootwright.brief=1",) if brief else ()),
        *arguments,
    )

    def with_control(control: int) -> tuple[str, ...]:
        return qemu.command(
            emulator,
            machine,
            processor,
            kernel=kernel.image,
            initramfs=archive.path,
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
        ended = run(with_control, timeout=timeout, silence=silence, on_console=watch).ended
    console = bytes(seen)
    given = Given(
        modules=len(archive.modules),
        aliases=archive.aliases,
        forbidden=_NO_MODULES in kernel_arguments,
    )
    refuse(console, mark, given)
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
        raise ToolFailed(GUEST, f"{tail}\nit ended ({ended}) before it stated its devices")
    return truth, console


class _Stated(Exception):
    """The guest has said all: not every machine can power itself off."""
