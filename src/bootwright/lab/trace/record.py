"""Boot a kernel to a failing system call, and record every instruction of that call with the registers.

QEMU's log (`-d cpu,nochain`, one instruction a block) is switched on only from the call's first instruction
to its return; both are breakpoints of its GDB stub. The kernel is not changed: no probes, no debug info.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import tempfile
import threading
from pathlib import Path

from attrs import define, frozen

from bootwright.foundation.errors import ToolFailed
from bootwright.foundation.versions import Version
from bootwright.lab.machines.debugger import Debugger, Registers
from bootwright.lab.machines.monitor import Monitor
from bootwright.lab.machines.run import start
from bootwright.lab.probes.boot import PlannedBoot, mark
from bootwright.lab.trace.log import CpuLog

_RENAMED = Version.from_toml("8.1")
"""QEMU that calls the monitor's `singlestep` by another name (docs/about/removed-features)."""
MOST_LOG = 2 << 30
"""Bytes: about two million instructions."""
_MOST_CALLS = 2000
_PAGE = 4096


@frozen
class RecordedCall:
    """One system call that failed, from the first instruction of its handler to its return."""

    handler: int
    """The address of its first instruction."""
    log: CpuLog
    code: dict[int, bytes]
    """4 KiB of memory at each address that instructions were run from, as they are in the running kernel."""
    returned: int
    """x0 at the return, as a signed number: minus the errno."""
    call_number: int
    """Which call of this handler it was in the boot, from 1."""


def record(plan: PlannedBoot, *, handler: int, errno: int, timeout: float) -> RecordedCall | None:
    """The first call of the function at address `handler` that returns `-errno`, or None where none does.

    `timeout` is in wall seconds between two calls. Raises `ToolFailed` when QEMU does.
    """
    one_instruction = "singlestep" if plan.emulator.version < _RENAMED else "one-insn-per-tb"
    control, their_control = socket.socketpair()
    debug, their_debug = socket.socketpair()
    with tempfile.TemporaryDirectory(prefix="bootwright-trace-") as folder, control, debug:
        with their_control, their_debug:
            descriptors = their_control.fileno(), their_debug.fileno()
            arguments = (*plan.kernel_arguments, mark())
            process = start(plan.command(arguments, descriptors[0], debugger=descriptors[1]), *descriptors)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (MOST_LOG, MOST_LOG))
        drain = threading.Thread(target=_drain, args=(process.stdout,), daemon=True)
        drain.start()
        try:
            debug.settimeout(timeout)
            control.settimeout(timeout)
            session = _Session(Debugger(debug), Monitor(control), Path(folder) / "cpu.log", one_instruction)
            return session.failing(handler, errno)
        except TimeoutError as error:
            raise ToolFailed(
                "qemu-system-aarch64", f"the guest did not come to the call within {timeout:g} s"
            ) from error
        finally:
            process.kill()
            process.wait()
            drain.join()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _drain(stream: object) -> None:
    read = getattr(stream, "read", None)
    with contextlib.suppress(OSError, ValueError):
        while read is not None and read(65536):
            pass


@define
class _Session:
    debugger: Debugger
    monitor: Monitor
    log: Path
    one_instruction: str
    """The monitor's command for translating one instruction at a time."""

    def failing(self, handler: int, errno: int) -> RecordedCall | None:
        self.debugger.break_at(handler)
        self.monitor.human(f"logfile {self.log}")
        for number in range(1, _MOST_CALLS + 1):
            if not self.debugger.go_on():
                return None
            entry = self.debugger.registers()
            behind = entry.x[30]
            self.debugger.clear(handler)
            self.debugger.break_at(behind)
            os.truncate(self.log, 0)
            self.monitor.human(f"{self.one_instruction} on")
            self.monitor.human("log cpu,nochain")
            now = self._returned(entry, behind)
            if now is None:
                return None
            self.monitor.human("log none")
            self.monitor.human(f"{self.one_instruction} off")
            self.debugger.clear(behind)
            returned = now.x[0] - (1 << 64) if now.x[0] >> 63 else now.x[0]
            if returned == -errno:
                log = CpuLog(self.log.read_bytes(), now)
                return RecordedCall(handler, log, self._code(log), returned, number)
            self.debugger.break_at(handler)
        return None

    def _returned(self, entry: Registers, behind: int) -> Registers | None:
        """Run to the return of the call that `entry` began; None when the machine ended."""
        for _ in range(_MOST_CALLS):
            if not self.debugger.go_on():
                self._check_size()
                return None
            now = self.debugger.registers()
            if now.sp == entry.sp:
                return now
            # Another task's call returns by the same place.
            self.debugger.clear(behind)
            if not self.debugger.step():
                return None
            self.debugger.break_at(behind)
        raise ToolFailed("qemu-system-aarch64", f"{_MOST_CALLS} other calls returned before the one recorded")

    def _check_size(self) -> None:
        if self.log.stat().st_size >= MOST_LOG:
            raise ToolFailed("qemu-system-aarch64", f"one call filled {MOST_LOG >> 20} MiB of log")

    def _code(self, log: CpuLog) -> dict[int, bytes]:
        pages = {pc & -_PAGE for pc in log.pcs}
        code = {page: self.debugger.memory(page, _PAGE) for page in sorted(pages)}
        return {page: data for page, data in code.items() if data is not None}
