"""A machine booted to the door once, and saved there."""

from __future__ import annotations

import os
import shutil
import socket
import time
from pathlib import Path

from attrs import define, field

from bootwright.foundation.errors import Missing, ToolFailed, Unequipped
from bootwright.lab.machines.debugger import Debugger
from bootwright.lab.machines.monitor import Monitor
from bootwright.lab.machines.qemu import MemoryFile, memory_of
from bootwright.lab.machines.run import run
from bootwright.lab.probes.boot import PlannedBoot
from bootwright.lab.snapshots.door import Door, door_in
from bootwright.lab.snapshots.saved import KERNEL, MEMORY, STATE, Snapshot, save
from bootwright.lab.snapshots.stream import without_zero_pages

ANSWER = 60.0
"""Wall seconds in which a stopped machine answers."""
_TRIES = 1000
_HEADER = 4096
_MARGIN = 64 << 20
"""Bytes that stay free for others."""
_USER = 1 << 48
"""Addresses below are a process's (arch/arm64, 48 bits of virtual address)."""
CAPABILITIES = {
    "capabilities": [
        {"capability": "x-ignore-shared", "state": True},  # memory is in its file already
        {"capability": "events", "state": True},
    ]
}


def make(door: PlannedBoot, key: str, folder: Path, *, timeout: float, silence: float) -> None:
    """Boot to the door and fill `folder` with the snapshot.

    `timeout` and `silence` are in seconds of guest time. Raises `Missing` where the kernel does not come to
    the door, or cannot be saved there, and `ToolFailed` when QEMU itself fails.
    """
    memory = door.memory or memory_of(door.target)
    if memory is None:
        raise Missing(
            f"machine {door.target.name} does not say how much memory it has", hint="give its file an -m"
        )
    free = shutil.disk_usage(folder).free
    if free < (memory << 20) + _MARGIN:  # a machine whose memory cannot be written to dies
        raise Unequipped(
            f"no room for a snapshot: {free >> 20} MiB are free, of {memory + (_MARGIN >> 20)} MiB needed",
            hint="bootwright cache list shows what takes room",
        )
    file = MemoryFile(folder / MEMORY, memory, restored=False)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(ANSWER)
        saving = _Saving(Debugger(ours), theirs, folder)
        ran = run(
            lambda control: door.command(door.kernel_arguments, control, debugger=theirs.fileno(), file=file),
            timeout=timeout,
            silence=silence,
            on_console=saving.look,
            descriptors=(theirs.fileno(),),
            prepare=saving.begin,
        )
    if saving.door is None or not saving.cpu:
        raise Missing(
            f"{door.kernel.name} did not come to where a snapshot is taken ({ran.ended})",
            hint="boot it with --cold, and see its console with --console",
        )
    state = folder / STATE
    state.write_bytes(without_zero_pages(state.read_bytes()))
    with door.kernel.image.open("rb") as image:
        (folder / KERNEL).write_bytes(image.read(_HEADER))
    snapshot = Snapshot(key, folder, memory, saving.door, saving.cpu, round(ran.cpu_seconds, 3))
    save(snapshot, ran.console)


@define
class _Saving:
    """Watches a boot, and saves the machine once it waits at the door."""

    debugger: Debugger
    theirs: socket.socket
    folder: Path
    door: Door | None = None
    cpu: str = ""
    _console: bytearray = field(factory=bytearray, init=False)
    _control: socket.socket | None = field(default=None, init=False)
    _monitor: Monitor | None = field(default=None, init=False)

    def begin(self, control: socket.socket) -> None:
        """The machine waits before its first instruction."""
        self.theirs.close()
        control.settimeout(ANSWER)
        self._control, self._monitor = control, Monitor(control)
        self.debugger.start()

    def look(self, chunk: bytes) -> None:
        """Take more of the console; raises `ToolFailed`."""
        if self.door is not None or self._monitor is None or self._control is None:
            return
        self._console += chunk
        self.door = door_in(bytes(self._console[-8192:]))
        if self.door is None:
            return
        self._control.settimeout(ANSWER)
        try:
            self._stop_in_init(self.door.words_at)
            self._save(self._monitor)
            self._monitor.run("quit")
        except TimeoutError as error:
            raise ToolFailed("qemu-system-aarch64", "it does not answer while it is saved") from error
        finally:
            self._control.setblocking(False)

    def _stop_in_init(self, words_at: int) -> None:
        """Stop where a CPU runs init rather than an interrupt of it: its memory is then to be written to."""
        for _ in range(_TRIES):
            self.debugger.stop()
            for cpu in self.debugger.cpus():
                self.debugger.choose(cpu)
                if self.debugger.registers().pc < _USER and self.debugger.memory(words_at, 1) == b"\0":
                    self.cpu = cpu
                    return
            self.debugger.start()
            time.sleep(0.002)
        raise ToolFailed("qemu-system-aarch64", "init does not wait where it says that it does")

    def _save(self, monitor: Monitor) -> None:
        monitor.run("migrate-set-capabilities", CAPABILITIES)
        descriptor = os.open(self.folder / STATE, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        try:
            monitor.run("getfd", {"fdname": "state"}, descriptor=descriptor)
        finally:
            os.close(descriptor)
        monitor.run("migrate", {"uri": "fd:state"})
        monitor.migrated()
