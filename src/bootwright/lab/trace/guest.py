"""A guest under the debugger, before it makes the call that is looked for."""

from __future__ import annotations

import contextlib
import resource
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import IO

from attrs import define, field, frozen

from bootwright.foundation.errors import ToolFailed
from bootwright.lab.machines.debugger import Debugger, Registers
from bootwright.lab.machines.monitor import Monitor
from bootwright.lab.machines.run import MOST_CONSOLE, start
from bootwright.lab.probes.boot import PlannedBoot, mark
from bootwright.lab.snapshots.door import TOGETHER
from bootwright.lab.snapshots.restoring import restored
from bootwright.lab.snapshots.saved import Snapshot

_MOST_RETURNS = 2000
_SAVED = 32
"""Bytes below a caller's stack pointer: what a function saves first, a pair of registers or two, is there."""
_OOPS = b"Internal error: "
"""arch/arm64/kernel/traps.c (Linux 6.18), `__die`: the task that ran is ended."""
_BEHIND_OOPS = 3.0
"""Wall seconds for the rest of the report, and for the step where it does end."""
_LOOK = 0.25


@frozen
class Stage:
    """Where a guest comes from: the same each time that it is started."""

    plan: PlannedBoot
    snapshot: Snapshot | None
    """None: it is booted from its first instruction."""
    timeout: float
    """Wall seconds from one stop to the next."""
    deadly: tuple[int, ...] = ()
    """Addresses of functions that end the task which calls them: its call does not return."""


@frozen
class Away:
    """What is done while the kernel runs other tasks than the call's."""

    switch: int
    """The address of `__switch_to` (arch/arm64/kernel/process.c), which changes from one task to another."""
    page_size: int
    left: Callable[[], None]
    back: Callable[[], None]

    def is_own(self, sp: int, entry_sp: int) -> bool:
        """Whether two stack pointers are of the same task."""
        return same_task(sp, entry_sp, self.page_size)


def same_task(sp: int, other_sp: int, page_size: int) -> bool:
    """Whether two stack pointers are of the same task: stacks are aligned to their size.

    arch/arm64/include/asm/memory.h, THREAD_SIZE: 16 KiB, or a page where that is more.
    """
    return not (sp ^ other_sp) & -max(16 << 10, page_size)


@define
class Guest:
    """A machine that is stopped whenever a method returns."""

    debugger: Debugger
    monitor: Monitor
    mark: str
    """Of its results on the console."""
    console: bytearray
    page_size: int
    deadly: tuple[int, ...]
    """See `Stage`."""
    _process: subprocess.Popen[bytes]
    _drain: threading.Thread
    _ended: bool = field(default=False, init=False)

    def calls(self, handler: int, most: int) -> Iterator[Registers]:
        """Stop at each call of the function at address `handler`; the registers at its first instruction.

        Ends where the machine does. What is done at one call must have left it, or the machine, by the next.
        """
        for _ in range(most):
            self.debugger.break_at(handler)
            if not self.debugger.go_on():
                self._ended = True
                return
            registers = self.debugger.registers()
            self.debugger.clear(handler)
            yield registers

    def finish(self, entry: Registers, away: Away | None = None) -> Registers | None:
        """Run to the return of the call that `entry` began; None where it does not return.

        The kernel then crashed, or the call's process was killed. `away` is told when the call's task is
        switched from and when it is back.
        """
        places = [entry.x[30], *self.deadly, *([away.switch] if away is not None else [])]
        while True:
            now = self._stop_at(places)
            if now is None or (now.pc in self.deadly and same_task(now.sp, entry.sp, self.page_size)):
                return None
            if now.pc == entry.x[30]:
                if now.sp == entry.sp:
                    return now
            elif away is not None and now.pc == away.switch and away.is_own(now.sp, entry.sp):
                away.left()
                if self._come_back(now.x[30], now.sp) is None:
                    return None
                away.back()
                continue
            # Another task's call returns by the same place, or another task is switched from.
            if not self.debugger.step():
                return None

    def _come_back(self, address: int, sp: int) -> Registers | None:
        """Run to `address` in the task whose stack pointer is then `sp`; None where the machine ends.

        The machine is at the first instruction of `__switch_to`. Every task returns from it to `address`; the
        registers that it saves next to `sp` are read by this one alone, before it returns.
        """
        if self.debugger.watch_reads(sp - _SAVED, _SAVED):
            if not self.debugger.go_on():
                return None
            self.debugger.unwatch_reads(sp - _SAVED, _SAVED)
        for _ in range(_MOST_RETURNS):
            now = self._stop_at([address])
            if now is None or now.sp == sp:
                return now
            if not self.debugger.step():
                return None
        raise ToolFailed("qemu-system-aarch64", f"{_MOST_RETURNS} other tasks ran before the one looked at")

    def _stop_at(self, addresses: Sequence[int]) -> Registers | None:
        """Run to one of these; None where the machine ends. No breakpoint is left behind."""
        for address in addresses:
            self.debugger.break_at(address)
        if not self.debugger.go_on():
            return None
        for address in addresses:
            self.debugger.clear(address)
        return self.debugger.registers()

    def run_out(self, seconds: float) -> bytes:
        """Let the machine run to its end, or for so long, or a little behind an oops; its console.

        What a task that oopsed has locked, others wait for: such a step does not end.
        """
        with contextlib.suppress(ToolFailed, TimeoutError):
            self.debugger.leave()
            until = time.monotonic() + seconds
            while self._process.poll() is None and time.monotonic() < until:
                if _OOPS in self.console:
                    until = min(until, time.monotonic() + _BEHIND_OOPS)
                    self._process_ended(until)
                else:
                    self._process_ended(min(until, time.monotonic() + _LOOK))
        self._process.kill()
        self._drain.join()
        return bytes(self.console)

    def _process_ended(self, until: float) -> None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, until - time.monotonic()))


@contextlib.contextmanager
def guest(stage: Stage, *, most_written: int) -> Iterator[Guest]:
    """A guest that has not made the call yet, ended when the block is left.

    `most_written` is how many bytes the emulator may write to a file. Raises `ToolFailed` when QEMU does, or
    when the guest does not come from one stop to the next in time.
    """
    with contextlib.ExitStack() as stack:
        control, their_control = socket.socketpair()
        stack.enter_context(control)
        stack.enter_context(their_control)
        if stage.snapshot is not None:
            # In init's own process, as making another is a good part of what is run before the call.
            machine = stack.enter_context(restored(stage.snapshot, stage.plan, (TOGETHER,)))
            command = machine.command(their_control.fileno())
            process = start(command, their_control.fileno(), *machine.descriptors)
            told_words: Sequence[str] = machine.told
        else:
            debug, their_debug = socket.socketpair()
            stack.enter_context(debug)
            stack.enter_context(their_debug)
            told_words = (*stage.plan.kernel_arguments, mark())
            command = stage.plan.command(told_words, their_control.fileno(), debugger=their_debug.fileno())
            process = start(command, their_control.fileno(), their_debug.fileno())
        their_control.close()
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (most_written, most_written))
        console = bytearray()
        drain = threading.Thread(target=_drain, args=(process.stdout, console), daemon=True)
        drain.start()
        try:
            if stage.snapshot is not None:
                monitor, debugger = machine.enter(control)
                debugger.connection.settimeout(stage.timeout)
            else:
                their_debug.close()
                debug.settimeout(stage.timeout)
                control.settimeout(stage.timeout)
                monitor, debugger = Monitor(control), Debugger(debug)
            result_mark = told_words[-1].partition("=")[2]
            page_size = stage.plan.kernel.page_size
            yield Guest(debugger, monitor, result_mark, console, page_size, stage.deadly, process, drain)
        finally:
            process.kill()
            process.wait()
            drain.join()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _drain(stream: IO[bytes], console: bytearray) -> None:
    with contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(65536):
            console += chunk[: max(0, MOST_CONSOLE - len(console))]
