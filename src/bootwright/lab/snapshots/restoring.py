"""Going on from a snapshot: a new emulator takes the machine over and tells init what to do."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence

from attrs import frozen

from bootwright.foundation.errors import ToolFailed
from bootwright.lab.machines.debugger import Debugger
from bootwright.lab.machines.monitor import Monitor
from bootwright.lab.machines.qemu import MemoryFile
from bootwright.lab.machines.recorded import Recording
from bootwright.lab.machines.run import run
from bootwright.lab.probes.boot import PlannedBoot, mark
from bootwright.lab.snapshots.door import TOGETHER, as_bytes, at_door, words
from bootwright.lab.snapshots.making import ANSWER, CAPABILITIES
from bootwright.lab.snapshots.saved import KERNEL, MEMORY, STATE, Snapshot


@frozen
class Restored:
    """What an emulator is started with to take a snapshot over."""

    snapshot: Snapshot
    planned: PlannedBoot
    """The boot that the run stands for."""
    told: tuple[str, ...]
    """What init is told."""
    debug: socket.socket
    """Our end of the debugger's connection."""
    their_debug: socket.socket
    state: int
    """The descriptor of the state's file."""

    @property
    def descriptors(self) -> tuple[int, int]:
        """What the emulator inherits."""
        return self.their_debug.fileno(), self.state

    def command(self, control: int) -> tuple[str, ...]:
        """The emulator's command line."""
        file = MemoryFile(self.snapshot.folder / MEMORY, self.snapshot.memory, restored=True)
        return at_door(self.planned).command(
            (),
            control,
            kernel=self.snapshot.folder / KERNEL,
            debugger=self.their_debug.fileno(),
            file=file,
        )

    def enter(self, control: socket.socket) -> tuple[Monitor, Debugger]:
        """Take the machine over and tell init; it stays stopped. Raises `ToolFailed`."""
        self.their_debug.close()
        control.settimeout(ANSWER)
        self.debug.settimeout(ANSWER)
        try:
            monitor = Monitor(control)
            monitor.run("migrate-set-capabilities", CAPABILITIES)
            monitor.run("migrate-incoming", {"uri": f"fd:{self.state}"})
            monitor.migrated()
            debugger = Debugger(self.debug)
            debugger.choose(self.snapshot.cpu)
            if debugger.memory(self.snapshot.door.words_at, 1) != b"\0":
                raise ToolFailed("qemu-system-aarch64", "init does not wait where the snapshot says")
            debugger.write(self.snapshot.door.words_at, as_bytes(self.told))
        except TimeoutError as error:
            raise ToolFailed("qemu-system-aarch64", "it does not take the snapshot over in time") from error
        return monitor, debugger


@contextlib.contextmanager
def restored(snapshot: Snapshot, planned: PlannedBoot, further: Sequence[str] = ()) -> Iterator[Restored]:
    """What a run of `planned` from the snapshot needs, closed at the end; `further` words are for init."""
    debug, their_debug = socket.socketpair()
    with debug, their_debug:
        try:
            state = os.open(snapshot.folder / STATE, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ToolFailed("qemu-system-aarch64", f"the snapshot is gone: {error.strerror}") from error
        try:
            told_words = (*words(planned), *further, mark())
            yield Restored(snapshot, planned, told_words, debug, their_debug, state)
        finally:
            os.close(state)


def run_from(
    snapshot: Snapshot, planned: PlannedBoot, *, timeout: float, silence: float, together: bool = False
) -> Recording:
    """Run `planned` from the snapshot; raises `ToolFailed` where the emulator does not take it over.

    With `together` no test has a process of its own: what most of the kernel's code in a run is for. A test
    that does not end, or kills its process, then ends the whole run.
    """
    command: list[tuple[str, ...]] = []
    with restored(snapshot, planned, (TOGETHER,) if together else ()) as machine:

        def with_control(control: int) -> tuple[str, ...]:
            command.append(machine.command(control))
            return command[0]

        def go_on(control: socket.socket) -> None:
            machine.enter(control)[1].leave()

        ran = run(
            with_control,
            timeout=timeout,
            silence=silence,
            descriptors=machine.descriptors,
            prepare=go_on,
        )
        arguments = (*at_door(planned).kernel_arguments, *machine.told)
    return planned.recording(ran, command[0], arguments, snapshot=snapshot.key)
