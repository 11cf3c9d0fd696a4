"""What a probe answers, read from its init's memory: for runs whose console nobody looks at.

A line through the kernel's log to the console, and switching the machine off, are a fifth of what such a run
costs. Here init keeps its lines, comes to a place that the debugger waits at, and the machine is ended there.
Until then the interrupt controller holds every interrupt back, where the machine's file says how: the
timer's, and what the kernel does in the background behind it, are a fifth of the code that runs for the first
time. A kernel that waits for one does nothing more, and is given them again.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from typing import IO

from bootwright.lab.machines.debugger import Debugger
from bootwright.lab.machines.recorded import ANSWERED, Recording
from bootwright.lab.machines.run import MOST_CONSOLE, Ran, start
from bootwright.lab.probes.boot import PlannedBoot
from bootwright.lab.snapshots.door import ANSWERS, TOGETHER, at_door
from bootwright.lab.snapshots.restoring import restored
from bootwright.lab.snapshots.saved import Snapshot

_HELD = 2.0
"""Wall seconds for which interrupts are held back: a run takes a tenth of one where it waits for none."""
_WAIT = 60.0
"""Wall seconds after which a run is given up."""
_MOST_ANSWERS = 1 << 18
"""Bytes (probes/ktap.c)."""


def answers_from(snapshot: Snapshot, planned: PlannedBoot) -> Recording | None:
    """A run of `planned` from the snapshot, with what the kernel printed and then init's own lines.

    No test has a process of its own (see `run_from`). None where init does not come to its end, or has more
    to say than it can keep. Raises `ToolFailed` where the emulator does not take the snapshot over.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs, restored(snapshot, planned, (TOGETHER, ANSWERS)) as machine:
        started = time.monotonic()
        command = machine.command(theirs.fileno())
        process = start(command, theirs.fileno(), *machine.descriptors)
        console = bytearray()
        drain = threading.Thread(target=_drain, args=(process.stdout, console), daemon=True)
        drain.start()
        try:
            theirs.close()
            _, debugger = machine.enter(ours)
            answers: bytes | None = None
            with contextlib.suppress(TimeoutError):
                if _come_to(debugger, snapshot.door.ready_at, planned.target.interrupt_mask):
                    address, length = debugger.registers().x[:2]
                    answers = debugger.memory(address, length) if 0 < length <= _MOST_ANSWERS else None
        finally:
            process.kill()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            drain.join()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()
    if answers is None:
        return None
    seconds = time.monotonic() - started
    whole = bytes(console) + answers
    cpu = usage.ru_utime + usage.ru_stime
    ran = Ran(whole, ((0, round(seconds, 6)),), ANSWERED, 0.0, seconds, cpu)
    arguments = (*at_door(planned).kernel_arguments, *machine.told)
    return planned.recording(ran, command, arguments, snapshot=snapshot.key)


def _come_to(debugger: Debugger, ready_at: int, interrupt_mask: int | None) -> bool:
    """Whether init comes to `ready_at`; raises `TimeoutError` where it does neither that nor end."""
    debugger.break_at(ready_at)
    if interrupt_mask is not None:
        allowed = debugger.device_register(interrupt_mask)
        debugger.change_device(interrupt_mask, 0)
        debugger.connection.settimeout(_HELD)
        try:
            return debugger.go_on()
        except TimeoutError:
            debugger.connection.settimeout(_WAIT)
            debugger.stop()
            if debugger.registers().pc == ready_at:  # it came there in this very moment
                return True
            debugger.change_device(interrupt_mask, allowed)
    debugger.connection.settimeout(_WAIT)
    return debugger.go_on()


def _drain(stream: IO[bytes], console: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(65536):
            console += chunk[: max(0, MOST_CONSOLE - len(console))]
