"""A console that is being recorded: the process that does it, and what has come so far."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import define, field

from bootwright.bench.lines import Address, LineLost, check_device, line_of, speed_of
from bootwright.bench.record import LineEvent
from bootwright.bench.recorder import CONSOLE, EVENTS, TIMES
from bootwright.foundation.atomic import write_bytes
from bootwright.foundation.errors import Malformed, ToolFailed

LEFT = "console.left"
"""Bytes of earlier than this boot; no file where there were none."""
_STOP_SECONDS = 10.0
_QUIET = 0.2
"""Seconds without a byte after which nothing is left."""
_MOST_LEFT_SECONDS = 5.0
_MOST_LEFT = 16 << 20
_MOST_EVENTS = 1000
_STEP = 0.02


@define
class ConsoleRecorder:
    """Starts the process that records, and reads what it wrote; see `recorder`."""

    address: Address
    folder: Path
    started: float = field(factory=time.monotonic)
    """What the times count from, on the clock of `time.monotonic`, which all processes share."""
    _process: subprocess.Popen[bytes] | None = None
    _read: int = 0

    def set_aside(self) -> int:
        """Read what the line still holds of an earlier boot, while the board is off, into `console.left`.

        An adapter, an exporter and the kernel keep what nobody read, and it would be taken for what this boot
        prints. Returns how many bytes there were; raises `Missing` and `Refused` as `start` does.
        """
        self._check()
        line = line_of(self.address)
        left = bytearray()
        with contextlib.suppress(LineLost), contextlib.closing(line):
            line.open()
            waiting = select.poll()
            waiting.register(line.fileno(), select.POLLIN)
            end = time.monotonic() + _MOST_LEFT_SECONDS
            while time.monotonic() < end and len(left) < _MOST_LEFT and waiting.poll(_QUIET * 1000):
                left += line.read()
        if left:
            write_bytes(self.folder / LEFT, bytes(left))
        return len(left)

    def _check(self) -> None:
        if self.address.kind == "serial":
            speed_of(self.address.speed)
            check_device(self.address.device)
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Raises `Missing` and `Refused` for a device that is not there or is none."""
        self._check()
        words = [json.dumps(self.address.as_json()), str(self.folder), repr(self.started)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bootwright.bench.recorder", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )

    def wait_open(self, seconds: float) -> bool:
        """Whether the line was open within that time; raises `ToolFailed` where the process has ended."""
        end = time.monotonic() + seconds
        while not any(event.event == "open" for event in self.events()):
            self.check()
            if time.monotonic() > end:
                return False
            time.sleep(_STEP)
        return True

    def check(self) -> None:
        """Raises `ToolFailed` where the process has ended by itself."""
        process = self._process
        if process is not None and process.poll() is not None:
            said = process.stderr.read(4096).decode(errors="replace") if process.stderr else ""
            raise ToolFailed(
                "recording the console", said, hint="look for room on the disk, and run it again"
            )

    def move(self, address: Address) -> None:
        """The line is somewhere else now, as after an exporter started anew."""
        self.address = address
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(json.dumps(address.as_json()).encode() + b"\n")
                self._process.stdin.flush()

    def read_new(self, most: int = 1 << 20) -> bytes:
        """What came since the last call."""
        try:
            with (self.folder / CONSOLE).open("rb") as file:
                file.seek(self._read)
                data = file.read(most)
        except FileNotFoundError:
            return b""
        self._read += len(data)
        return data

    def events(self) -> list[LineEvent]:
        """What became of the line so far, the last ones where there were very many."""
        return read_events(self.folder)

    def stop(self) -> None:
        """Read what is left, and end."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def read_events(folder: Path) -> list[LineEvent]:
    """Raises `Malformed` for a damaged file; a last line that is not whole yet is left out."""
    path = folder / EVENTS
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    *lines, _ = data.split(b"\n")
    events = []
    for line in lines[-_MOST_EVENTS:]:
        try:
            events.append(LineEvent(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise Malformed(str(path), None, "an event of a recorded line", repr(line[:80])) from error
    return events


def read_times(folder: Path) -> Iterator[tuple[int, float]]:
    """(offset of a piece in the console, seconds when it came), in their order; raises `Malformed`."""
    path = folder / TIMES
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                offset, _, seconds = line.partition(b" ")
                try:
                    yield int(offset), float(seconds)
                except ValueError as error:
                    where = f"{path}: line {number}"
                    raise Malformed(where, None, "an offset and seconds", repr(line[:80])) from error
    except FileNotFoundError:
        return


def arrivals(folder: Path, offsets: Sequence[int]) -> list[float]:
    """When the byte at each offset, in ascending order, came, in seconds."""
    seconds: list[float] = []
    last = 0.0
    times = read_times(folder)
    following = next(times, None)
    for offset in offsets:
        while following is not None and following[0] <= offset:
            last = following[1]
            following = next(times, None)
        seconds.append(last)
    return seconds


def line_ends(folder: Path, numbers: Sequence[int]) -> list[int]:
    """The offset at which each of the lines, numbered from 1 in ascending order, ends."""
    ends: list[int] = []
    count, offset = 0, 0
    with (folder / CONSOLE).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        for line in iter(lambda: file.readline(1 << 20), b""):
            offset += len(line)
            count += line.endswith(b"\n")
            while len(ends) < len(numbers) and numbers[len(ends)] <= count:
                ends.append(offset - 1)
            if len(ends) == len(numbers):
                break
    return [*ends, *[size] * (len(numbers) - len(ends))]
