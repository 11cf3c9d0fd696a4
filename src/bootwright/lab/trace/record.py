"""Run a guest to a failing system call, and record every instruction of that call with the registers.

QEMU's log (`-d cpu,nochain`, one instruction a block) is switched on only from the call's first instruction
to its return; both are breakpoints of its GDB stub. The kernel is not changed: no probes, no debug info.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from attrs import define, field, frozen

from bootwright.formats.code.a64_flow import Kind, flow
from bootwright.foundation.errors import ToolFailed, Unequipped
from bootwright.foundation.versions import Version
from bootwright.lab.machines.debugger import Registers
from bootwright.lab.trace.guest import Away, Guest, Stage, guest
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
    """Which call of this handler it was in the run, from 1."""
    console: bytes
    """What the guest had printed by then."""
    seconds: float
    """Wall seconds from the call to its return while it was recorded, which is slower than it is else."""


@frozen
class NotRecorded:
    """Why no call was recorded."""

    calls: int
    """How often the handler was called; every call returned something else."""
    unfinished: bool = False
    """The last call did not return: the guest ended in it."""


def record(stage: Stage, *, handler: int, switch: int | None, errno: int) -> RecordedCall | NotRecorded:
    """The first call of the function at address `handler` that returns `-errno`.

    `switch` is the address of the kernel's `__switch_to`: while other tasks run nothing is recorded. Raises
    `ToolFailed` when QEMU does, or when the guest neither comes to a call nor ends in the stage's
    time.
    """
    one_instruction = "singlestep" if stage.plan.emulator.version < _RENAMED else "one-insn-per-tb"
    # A file without a name: however we end, gigabytes of log are not left behind.
    with tempfile.TemporaryFile() as file, guest(stage, most_written=MOST_LOG) as machine:
        try:
            mask = stage.plan.target.interrupt_mask
            log = Path(f"/proc/{os.getpid()}/fd/{file.fileno()}")  # proc_pid_fd(5): QEMU opens it too
            recorder = _Recorder(machine, log, one_instruction, mask)
            away = (
                None
                if switch is None
                else Away(switch, stage.plan.kernel.page_size, recorder.pause, recorder.go_on)
            )
            return _failing(recorder, away, handler, errno)
        except TimeoutError as error:
            raise ToolFailed(
                "qemu-system-aarch64", f"the guest did not come to the call within {stage.timeout:g} s"
            ) from error


@define
class _Recorder:
    """The log, switched on and off; while it is on, the guest has no interrupts.

    Logging is slow and time goes on: else most of the record would be timer interrupts. They are masked at
    the interrupt controller where the machine's file says how, so that the kernel's own state stays as it is;
    elsewhere in the CPU, until the kernel unmasks them.
    """

    machine: Guest
    log: Path
    one_instruction: str
    """The monitor's command for translating one instruction at a time."""
    interrupt_mask: int | None
    _allowed: int | None = field(default=None, init=False)
    """What the controller's mask was."""

    def begin(self) -> None:
        """Record from here on, into an empty log."""
        self.machine.monitor.human(f"logfile {self.log}")
        os.truncate(self.log, 0)
        self.go_on()

    def go_on(self) -> None:
        """Record what comes next."""
        debugger = self.machine.debugger
        if self.interrupt_mask is None:
            debugger.mask_interrupts()
        else:
            self._allowed = debugger.device_register(self.interrupt_mask)
            debugger.change_device(self.interrupt_mask, 0)
        self.machine.monitor.human(f"{self.one_instruction} on")
        self.machine.monitor.human("log cpu,nochain")

    def pause(self) -> None:
        """Record nothing until `go_on`."""
        if self.interrupt_mask is not None and self._allowed is not None:
            self.machine.debugger.change_device(self.interrupt_mask, self._allowed)
        self.machine.monitor.human("log none")
        self.machine.monitor.human(f"{self.one_instruction} off")


def _failing(recorder: _Recorder, away: Away | None, handler: int, errno: int) -> RecordedCall | NotRecorded:
    machine, log = recorder.machine, recorder.log
    number = 0
    for number, entry in enumerate(machine.calls(handler, _MOST_CALLS), 1):
        recorder.begin()
        began = time.monotonic()
        now = machine.finish(entry, away)
        if now is None:
            if log.stat().st_size >= MOST_LOG:
                raise ToolFailed("qemu-system-aarch64", f"one call filled {MOST_LOG >> 20} MiB of log")
            return NotRecorded(number, unfinished=True)
        seconds = time.monotonic() - began
        recorder.pause()
        returned = signed_result(now.x[0])
        if returned == -errno:
            recorded = _whole(log, now)
            code, console = _code(machine, recorded), bytes(machine.console)
            if not _ends_with_return(recorded, code):
                raise _cut_short(log)
            return RecordedCall(handler, recorded, code, returned, number, console, seconds)
    return NotRecorded(number)


def _whole(log: Path, after: Registers) -> CpuLog:
    try:
        return CpuLog(_mapped(log), after)
    except ToolFailed as error:
        raise (_cut_short(log) if not _room(log) else error) from error


def _ends_with_return(log: CpuLog, code: Mapping[int, bytes]) -> bool:
    """Whether the last record is of what led to where the call returned."""
    pc = log.pcs[-1]
    page, at = code.get(pc & -_PAGE, b""), pc & (_PAGE - 1)
    kind = flow(int.from_bytes(page[at : at + 4], "little")).kind if page else None
    return kind in {Kind.RETURN, Kind.EXCEPTION_RETURN}


def _cut_short(log: Path) -> Unequipped | ToolFailed:
    """QEMU says nothing where its log cannot be written."""
    size = f"{log.stat().st_size / 2**20:.1f} MiB"
    if _room(log):
        return ToolFailed("qemu-system-aarch64", f"its log ends before the call does, at {size}")
    return Unequipped(
        f"no space left in {tempfile.gettempdir()} for the record of the call ({size} fitted)",
        hint="free some space, or set TMPDIR to a folder on a larger disk: a call takes up to 2 GiB",
    )


def _room(log: Path) -> bool:
    """Whether its disk would take one more record."""
    with log.open("rb") as file:
        disk = os.fstatvfs(file.fileno())
    return disk.f_bavail * disk.f_frsize >= _PAGE


def _mapped(log: Path) -> bytes | mmap.mmap:
    """The log where it is: it may be as large as memory, and most of it is never looked at."""
    with log.open("rb") as file:
        if not log.stat().st_size:
            return b""
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def signed_result(x0: int) -> int:
    """What a system call returns, as a signed number."""
    return x0 - (1 << 64) if x0 >> 63 else x0


def _code(machine: Guest, log: CpuLog) -> dict[int, bytes]:
    pages = {pc & -_PAGE for pc in log.pcs}
    code = {page: machine.debugger.memory(page, _PAGE) for page in sorted(pages)}
    return {page: data for page, data in code.items() if data is not None}
