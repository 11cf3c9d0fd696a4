"""One emulator process, from start to end: its console, its time, and why it ended.

The emulator cannot outlive us: the kernel ends it when the thread that started it dies, however
that happens (kill -9 included).
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from attrs import define, field, frozen

from bootwright.foundation.errors import Missing, ToolFailed
from bootwright.foundation.processes.children import ending_with_us

MOST_CONSOLE = 16 << 20
"""Bytes of console kept; a guest that prints more is stopped."""

_TICKS = os.sysconf("SC_CLK_TCK")
_LOOK = 0.5
"""Seconds between two looks at a silent guest."""
_GATHER = 0.005
"""Seconds in which bytes of the console are gathered: the resolution of the recorded times."""
_MOST_MESSAGES = 65536
_IDLE = 0.1
"""Share of a CPU below which the guest is taken to be halted rather than slowed by others."""


@frozen
class Ran:
    """What one run of the emulator left."""

    console: bytes
    times: tuple[tuple[int, float], ...]
    ended: str
    silent_seconds: float
    """Guest time since the last byte of console, when it was ended for its silence; else 0."""
    wall_seconds: float
    cpu_seconds: float


@define
class GuestClock:
    """Time as the guest sees it: a machine shared with others must not make a healthy guest late.

    What the emulator waits for a processor, while it could compute, does not count. Where the host does not
    say how long that is, its CPU time counts while it computes, and wall time while it is idle (the guest is
    halted or waits).
    """

    wall: float
    cpu: float
    waited: float | None = None
    elapsed: float = 0.0

    def tick(self, wall: float, cpu: float, waited: float | None = None) -> None:
        """Advance to the given seconds: wall, CPU, and those in which threads waited for a processor."""
        passed, used = wall - self.wall, cpu - self.cpu
        if waited is not None and self.waited is not None:
            self.elapsed += max(min(used, passed), passed - max(0.0, waited - self.waited))
        else:
            self.elapsed += passed if used < _IDLE * passed else min(used, passed)
        self.wall, self.cpu, self.waited = wall, cpu, waited


def run(
    command: Callable[[int], Sequence[str]],
    *,
    timeout: float,
    silence: float | Callable[[], float],
    on_console: Callable[[bytes], None] | None = None,
    descriptors: Sequence[int] = (),
    prepare: Callable[[socket.socket], None] | None = None,
) -> Ran:
    """Start `command(control)`, where `control` is the descriptor for QMP, and record it to its end.

    The emulator inherits `descriptors`. A machine that waits is readied, and let go, by `prepare` over our
    end of `control`, before anything is recorded.

    `timeout` and `silence` are seconds of guest time (see `GuestClock`): in all, and without any byte
    of console (asked again at each look where it is a function). Raises `ToolFailed` when the emulator
    does not start.
    """
    ours, theirs = socket.socketpair()
    with ours:
        started = time.monotonic()
        with theirs:
            process = start(command(theirs.fileno()), theirs.fileno(), *descriptors)
        try:
            if prepare is not None:
                _prepared(process, prepare, ours)
            return _Watch(
                process=process,
                control=ours,
                started=started,
                timeout=timeout,
                silence=silence if callable(silence) else lambda: silence,
                on_console=on_console,
                clock=GuestClock(started, 0.0, _waited(process.pid)),
            ).record()
        finally:
            # Reached with a living emulator only on an exception (Ctrl-C, MemoryError, …).
            if process.returncode is None:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()


def _prepared(
    process: subprocess.Popen[bytes], prepare: Callable[[socket.socket], None], control: socket.socket
) -> None:
    """Raises `ToolFailed`, with what the emulator says."""
    try:
        prepare(control)
    except (ToolFailed, OSError) as error:
        process.kill()
        said = process.stderr.read(_MOST_MESSAGES).decode(errors="replace").strip() if process.stderr else ""
        raise ToolFailed("qemu-system-aarch64", said or str(error)) from error


def start(command: Sequence[str], *descriptors: int) -> subprocess.Popen[bytes]:
    """An emulator that inherits `descriptors` and dies with this thread; raises `Missing` without one."""
    try:
        return subprocess.Popen(
            ending_with_us(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=descriptors,
            env={**os.environ, "GLIBC_TUNABLES": _tunables(os.environ.get("GLIBC_TUNABLES", ""))},
        )
    except OSError as error:
        raise Missing(
            f"cannot start {command[0]}: {error.strerror}", hint="reinstall qemu-system-arm"
        ) from error


def _tunables(own: str) -> str:
    """Large pages for the emulator's own tables: else a twelfth of its start is faults for small ones.

    GNU C Library manual, "Memory Allocation Tunables"; other C libraries do not look at it.
    """
    large_pages = "glibc.malloc.hugetlb=1"
    return own if "glibc.malloc.hugetlb" in own else ":".join(filter(None, (own, large_pages)))


@define
class _Watch:
    """One emulator while it runs."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    started: float
    timeout: float
    silence: Callable[[], float]
    on_console: Callable[[bytes], None] | None
    clock: GuestClock
    console: bytearray = field(factory=bytearray)
    times: list[tuple[int, float]] = field(factory=list)
    messages: bytearray = field(factory=bytearray)
    events: bytearray = field(factory=bytearray)
    last_byte: float = 0.0

    def record(self) -> Ran:
        """Follow the emulator to its end, or end it."""
        with contextlib.suppress(OSError):  # a second time is answered with an error, which nobody reads
            self.control.sendall(b'{"execute":"qmp_capabilities"}\n')
        stopped = self._follow()
        if stopped:
            self.process.kill()
        _, status, usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        if self.process.returncode != 0 and not stopped and not self.console:
            raise ToolFailed("qemu-system-aarch64", self.messages.decode(errors="replace"))
        quiet = self.clock.elapsed - self.last_byte
        return Ran(
            console=bytes(self.console),
            times=tuple(self.times),
            ended=stopped or _why(bytes(self.events)),
            silent_seconds=quiet if stopped == "timeout" and quiet > self.silence() else 0.0,
            wall_seconds=time.monotonic() - self.started,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
        )

    def _follow(self) -> str:
        """Read until the emulator has closed everything; what it was stopped for, or nothing."""
        look = self.started + _LOOK
        with selectors.DefaultSelector() as waiting:
            for file, take in (
                (self.process.stdout, self._take_console),
                (self.process.stderr, self._take_said),
                (self.control, self._take_event),
            ):
                if file is not None:
                    os.set_blocking(file.fileno(), False)
                    waiting.register(file, selectors.EVENT_READ, take)
            while waiting.get_map():
                for key, _ in waiting.select(max(0.0, look - time.monotonic())):
                    try:
                        chunk = os.read(key.fd, 65536)
                    except BlockingIOError:
                        continue
                    except ConnectionResetError:
                        chunk = b""
                    if chunk:
                        key.data(chunk)
                    else:
                        waiting.unregister(key.fileobj)
                # The console comes byte by byte: waking for each would cost as much as the emulator's work.
                time.sleep(_GATHER)
                now = time.monotonic()
                if now >= look:
                    look = now + _LOOK
                    self.clock.tick(now, _cpu_seconds(self.process.pid), _waited(self.process.pid))
                if self.clock.elapsed > min(self.timeout, self.last_byte + self.silence()):
                    return "timeout"
                if len(self.console) >= MOST_CONSOLE:
                    return "stopped"
        return ""

    def _take_console(self, chunk: bytes) -> None:
        self.times.append((len(self.console), round(time.monotonic() - self.started, 6)))
        self.console += chunk[: MOST_CONSOLE - len(self.console)]
        self.last_byte = self.clock.elapsed
        if self.on_console:
            self.on_console(chunk)

    def _take_said(self, chunk: bytes) -> None:
        self.messages += chunk[: max(0, _MOST_MESSAGES - len(self.messages))]

    def _take_event(self, chunk: bytes) -> None:
        self.events += chunk[: max(0, _MOST_MESSAGES - len(self.events))]


def _cpu_seconds(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, IndexError, ValueError):
        return 0.0


def _waited(pid: int) -> float | None:
    """Seconds in which a process's threads could have run and had no processor; None where it is not said.

    The second number of `/proc/PID/task/TID/schedstat`, in ns (Documentation/scheduler/sched-stats.rst).
    """
    try:
        rows = [path.read_bytes().split() for path in Path(f"/proc/{pid}/task").glob("*/schedstat")]
        return sum(int(row[1]) for row in rows) / 1e9 if rows else None
    except (OSError, IndexError, ValueError):
        return None


def _why(events: bytes) -> str:
    """From QMP's SHUTDOWN event (QEMU docs/interop/qemu-qmp-ref, RunState, ShutdownCause)."""
    for line in events.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and event.get("event") == "SHUTDOWN":
            reason = event.get("data", {}).get("reason")
            return {"guest-shutdown": "powered-off", "guest-reset": "reset"}.get(reason, "machine-exited")
    return "machine-exited"
