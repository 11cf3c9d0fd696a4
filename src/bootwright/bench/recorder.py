"""Recording a console to the disk: every byte that the kernel delivered, and when it came.

It runs as a process of its own (`python -m bootwright.bench.recorder ADDRESS FOLDER STARTED`), so that
nothing that is made of the bytes can keep it from reading them: a serial port that nobody reads loses bytes
once the kernel's 4 KiB (N_TTY_BUF_SIZE, drivers/tty/n_tty.c, Linux 6.12) are full, and a board's boot may
wait for it. Little is held in memory, and never more. It ends when its standard input does, also when
whoever started it was killed.

`console.bin` has the bytes, `console.times` a line `OFFSET SECONDS` for each piece as it came, and
`console.events` one JSON object for each time that the line was opened or lost.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from attrs import define, field, frozen

from bootwright.bench.lines import Address, Line, LineLost, line_of
from bootwright.foundation.errors import BootwrightError

CONSOLE, TIMES, EVENTS = "console.bin", "console.times", "console.events"
_RETRY = 0.1
"""Seconds between two attempts to open a line that is not there."""
_MOST_WAITING = 512
"""Pieces that wait for the disk, of 4 KiB each from a serial device: 7 s of 3 Mbaud."""
_PRIORITY = -10
"""Niceness: on a busy machine whoever reads too late loses bytes."""
_DRAIN = 2.0
"""Seconds at most in which what is left is read at the end."""


@define
class Recording:
    """Three files that only grow, written by a thread: the line is read while a busy disk makes it wait."""

    folder: Path
    started: float
    """The clock's time that is second 0."""
    clock: Callable[[], float]
    _handles: dict[str, int] = field(factory=dict)
    _waiting: queue.Queue[tuple[bytes | Happening, float] | None] = field(
        factory=lambda: queue.Queue(_MOST_WAITING)
    )
    _writer: threading.Thread | None = None
    _failed: OSError | None = None
    _last: float = 0.0

    def open(self) -> None:
        """Raises `OSError`."""
        for name in (CONSOLE, TIMES, EVENTS):
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
            self._handles[name] = os.open(self.folder / name, flags, 0o644)
        self._writer = threading.Thread(target=self._write_all)
        self._writer.start()

    def add(self, data: bytes) -> None:
        """Raises `OSError` where the disk is full."""
        self._put(data)

    def event(self, what: str, why: str = "") -> None:
        """Note what became of the line; raises `OSError`."""
        self._put(Happening(what, why))

    def close(self) -> None:
        """Write what is left; raises `OSError`."""
        if self._writer is not None:
            self._waiting.put(None)
            self._writer.join()
        for handle in self._handles.values():
            os.close(handle)
        self._handles.clear()
        if self._failed is not None:
            raise self._failed

    def _put(self, item: bytes | Happening) -> None:
        if self._failed is not None:
            raise self._failed
        self._last = max(self._last, self.clock() - self.started)
        self._waiting.put((item, self._last))

    def _write_all(self) -> None:
        offset = os.fstat(self._handles[CONSOLE]).st_size
        while (waiting := self._waiting.get()) is not None:
            item, seconds = waiting
            if self._failed is not None:
                continue  # nobody must wait for a thread that has given up
            try:
                if isinstance(item, bytes):
                    # The bytes are there before the line that speaks of them.
                    self._write(CONSOLE, item)
                    self._write(TIMES, f"{offset} {seconds:.6f}\n".encode())
                    offset += len(item)
                else:
                    line = {
                        "event": item.what,
                        "offset": offset,
                        "seconds": round(seconds, 6),
                        "why": item.why,
                    }
                    self._write(EVENTS, json.dumps(line).encode() + b"\n")
            except OSError as error:
                self._failed = error

    def _write(self, name: str, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._handles[name], view) :]


@frozen
class Happening:
    """What became of the line."""

    what: str
    why: str


def record(
    address: Address,
    folder: Path,
    started: float,
    *,
    commands: int,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Record until `commands`, a file descriptor, ends; each of its lines is a new address, as JSON.

    Raises `OSError` where the disk fails, `Malformed` for an address that is none.
    """
    recording = Recording(folder, started, clock)
    recording.open()
    line: Line = line_of(address)
    is_open, was_lost = False, ""
    text = b""
    try:
        while True:
            if not is_open:
                try:
                    line.open()
                except LineLost as lost:
                    if str(lost) != was_lost:
                        recording.event("absent", str(lost))
                    was_lost = str(lost)
                else:
                    recording.event("open")
                    is_open, was_lost = True, ""
            waiting = select.poll()
            waiting.register(commands, select.POLLIN)
            if is_open:
                waiting.register(line.fileno(), select.POLLIN)
            ready = {handle for handle, _ in waiting.poll(None if is_open else _RETRY * 1000)}
            if is_open and ready - {commands}:
                try:
                    if data := line.read():
                        recording.add(data)
                except LineLost as lost:
                    recording.event("lost", str(lost))
                    line.close()
                    is_open = False
            if commands in ready:
                said = os.read(commands, 4096)
                if not said:
                    break
                *whole, text = (text + said).split(b"\n")
                for command in whole:
                    line.close()
                    line, is_open = line_of(Address.from_json(json.loads(command))), False
        if is_open:
            _drain(line, recording)
    finally:
        line.close()
        recording.close()


def _drain(line: Line, recording: Recording) -> None:
    end = time.monotonic() + _DRAIN
    waiting = select.poll()
    waiting.register(line.fileno(), select.POLLIN)
    try:
        while time.monotonic() < end and waiting.poll(0):
            if data := line.read():
                recording.add(data)
    except LineLost as lost:
        recording.event("lost", str(lost))


def main(arguments: list[str]) -> int:
    """Exit status 0 at the end of standard input, 1 with one line on stderr where it cannot go on."""
    address, folder, started = arguments
    with contextlib.suppress(OSError):  # root and CAP_SYS_NICE alone may
        os.nice(_PRIORITY)
    try:
        record(Address.from_json(json.loads(address)), Path(folder), float(started), commands=0)
    except (OSError, BootwrightError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
