"""The console's recorder, over ptys: no byte lost, times that only grow, memory that does not."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import random
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bootwright.bench.console import ConsoleRecorder, arrivals, line_ends, read_events, read_times
from bootwright.bench.lines import Address
from bootwright.foundation.errors import Malformed, Missing, Refused, ToolFailed

_MOST_GROWTH = 5 << 10
"""KiB: what may wait for a busy disk is bounded."""


class Adapter:
    """A pty under a name of its own, as a USB adapter is; it may be pulled and be back as another device."""

    def __init__(self, name: Path) -> None:
        self.name = name
        self.plug_in()

    def plug_in(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.slave = slave
        with contextlib.suppress(FileNotFoundError):
            self.name.unlink()
        self.name.symlink_to(os.ttyname(slave))

    def pull(self) -> None:
        self.name.unlink()
        os.close(self.slave)
        os.close(self.master)

    def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self.master, view) :]


@pytest.fixture
def adapter(tmp_path: Path) -> Adapter:
    return Adapter(tmp_path / "ttyUSB0")


@contextlib.contextmanager
def recording(address: Address, folder: Path) -> Iterator[ConsoleRecorder]:
    recorder = ConsoleRecorder(address, folder)
    recorder.start()
    try:
        assert recorder.wait_open(60)
        yield recorder
    finally:
        recorder.stop()


def serial(adapter: Adapter) -> Address:
    return Address("serial", device=str(adapter.name), speed=3_000_000)


def size(folder: Path) -> int:
    return (folder / "console.bin").stat().st_size


def wait(ready: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.02)


def memory(pid: int) -> int:
    """The most that a process ever had in memory, in KiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise AssertionError


def test_a_flood_of_garbage_comes_through_and_takes_no_memory(tmp_path: Path, adapter: Adapter) -> None:
    """As fast as the kernel takes it, which is more than 3 Mbaud bring: 300 kB/s."""
    garbage = random.Random(1).randbytes(1 << 20)
    folder = tmp_path / "console"
    with recording(serial(adapter), folder) as recorder:
        assert recorder._process is not None
        adapter.send(garbage)
        wait(lambda: size(folder) == len(garbage))
        before = memory(recorder._process.pid)
        started = time.monotonic()
        for _ in range(23):
            adapter.send(garbage)
        seconds = time.monotonic() - started
        wait(lambda: size(folder) == 24 * len(garbage))
        assert memory(recorder._process.pid) - before < _MOST_GROWTH
    digest = hashlib.sha256()
    for _ in range(24):
        digest.update(garbage)
    with (folder / "console.bin").open("rb") as file:
        assert hashlib.file_digest(file, "sha256").digest() == digest.digest()
    assert 23 * len(garbage) / seconds > 300_000
    times = list(read_times(folder))
    assert times == sorted(times)
    assert times[0][0] == 0


def test_an_adapter_that_is_pulled_and_back(tmp_path: Path, adapter: Adapter) -> None:
    folder = tmp_path / "console"
    with recording(serial(adapter), folder):
        expected = b""
        for number in range(3):
            piece = b"line %d \xff\x00\x11\x13\r\n" % number * 100
            adapter.send(piece)
            expected += piece
            wait(lambda: size(folder) == len(expected))  # noqa: B023 - called at once
            adapter.pull()
            wait(lambda: read_events(folder)[-1].event in {"lost", "absent"})
            adapter.plug_in()
            wait(lambda: read_events(folder)[-1].event == "open")
        adapter.send(b"the end")
    assert (folder / "console.bin").read_bytes() == expected + b"the end"
    events = read_events(folder)
    assert [event.event for event in events if event.event != "absent"] == ["open", *["lost", "open"] * 3]
    assert [event.offset for event in events if event.event == "lost"] == [
        len(expected) // 3 * part for part in (1, 2, 3)
    ]
    assert all(sooner.seconds <= later.seconds for sooner, later in itertools.pairwise(events))


DAY = """
import sys, time
from pathlib import Path
from bootwright.bench.lines import Address
from bootwright.bench.recorder import record
began = time.monotonic()
record(Address("serial", device=sys.argv[1]), Path(sys.argv[2]), began, commands=0,
       clock=lambda: began + (time.monotonic() - began) * float(sys.argv[3]))
"""


def test_a_full_disk_is_said(tmp_path: Path, adapter: Adapter) -> None:
    folder = tmp_path / "console"
    folder.mkdir()
    (folder / "console.bin").symlink_to("/dev/full")
    recorder = ConsoleRecorder(serial(adapter), folder)
    recorder.start()
    try:
        assert recorder.wait_open(60)
        adapter.send(b"x" * 100)

        def has_ended() -> bool:
            with contextlib.suppress(OSError):
                adapter.send(b"y")
            return recorder._process is not None and recorder._process.poll() is not None

        wait(has_ended)
        with pytest.raises(ToolFailed, match="No space left on device"):
            recorder.check()
    finally:
        recorder.stop()


def test_twenty_four_hours(tmp_path: Path, adapter: Adapter) -> None:
    """A day of a chatty console, on a clock that makes ten hours of a second."""
    folder = tmp_path / "console"
    folder.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", DAY, adapter.name, folder, "36000"], stdin=subprocess.PIPE
    )
    assert process.stdin is not None
    with process:
        wait(lambda: bool(read_events(folder)))
        began = time.monotonic()
        sent, before = 0, 0
        while time.monotonic() - began < 2.6:
            line = b"[%9d.000000] still here\r\n" % sent
            adapter.send(line)
            sent += 1
            if sent == 500:
                wait(lambda: size(folder) == 500 * len(line))  # noqa: B023 - called at once
                before = memory(process.pid)
            time.sleep(0.0005)
        wait(lambda: size(folder) == sent * len(line))
        assert before
        assert memory(process.pid) - before < _MOST_GROWTH
        process.stdin.close()
        assert process.wait(30) == 0
    times = list(read_times(folder))
    assert times == sorted(times)
    assert times[-1][1] - times[0][1] > 24 * 3600
    lines = (folder / "console.bin").read_bytes().splitlines()
    assert lines == [b"[%9d.000000] still here" % number for number in range(sent)]


def test_what_is_still_there_at_the_end_is_read(tmp_path: Path, adapter: Adapter) -> None:
    folder = tmp_path / "console"
    with recording(serial(adapter), folder):
        adapter.send(b"x" * 3000)
    assert size(folder) == 3000


def test_a_port_over_the_network_that_goes_and_comes_back_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "console"

    def server() -> socket.socket:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        return listening

    def address(listening: socket.socket, kind: str) -> Address:
        return Address(kind, host="127.0.0.1", port=listening.getsockname()[1])

    with server() as first, server() as second:
        with recording(address(first, "tcp"), folder) as recorder:
            connection, _ = first.accept()
            connection.sendall(b"one \xff\xff")
            wait(lambda: size(folder) == 6)
            recorder.move(address(second, "telnet"))
            moved, _ = second.accept()
            connection.close()
            assert moved.recv(100)[:1] == b"\xff"
            moved.sendall(b"two \xff\xff\r\0")
            wait(lambda: size(folder) == 12)
            moved.close()
        assert (folder / "console.bin").read_bytes() == b"one \xff\xfftwo \xff\r"


def test_a_device_that_is_none_is_said(tmp_path: Path, adapter: Adapter) -> None:
    plain = tmp_path / "file"
    plain.write_bytes(b"")
    for address, error in (
        (Address("serial", device=str(tmp_path / "nothing")), Missing),
        (Address("serial", device=str(plain)), Refused),
        (Address("serial", device=str(adapter.name), speed=12345), Refused),
    ):
        with pytest.raises(error):
            ConsoleRecorder(address, tmp_path / "console").start()


def test_a_recorder_that_died_is_said(tmp_path: Path, adapter: Adapter) -> None:
    with recording(serial(adapter), tmp_path / "console") as recorder:
        assert recorder._process is not None
        recorder._process.kill()
        recorder._process.wait()
        with pytest.raises(ToolFailed, match="recording the console"):
            recorder.check()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path, adapter: Adapter) -> None:
    folder = tmp_path / "console"
    script = (
        "import sys, time; from pathlib import Path\n"
        "from bootwright.bench.console import ConsoleRecorder; from bootwright.bench.lines import Address\n"
        "recorder = ConsoleRecorder(Address('serial', device=sys.argv[1]), Path(sys.argv[2]))\n"
        "recorder.start(); recorder.wait_open(60); print(recorder._process.pid, flush=True); time.sleep(1000)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, adapter.name, folder], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    adapter.send(b"before")
    parent.kill()
    parent.wait()
    wait(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())
    assert (folder / "console.bin").read_bytes() == b"before"


def test_when_a_line_came(tmp_path: Path) -> None:
    (tmp_path / "console.bin").write_bytes(b"one\ntwo\nthree")
    (tmp_path / "console.times").write_bytes(b"0 0.5\n2 1.0\n6 2.25\n11 3.0\n12 9")
    ends = line_ends(tmp_path, [1, 2, 3])
    assert ends == [3, 7, 13]
    assert arrivals(tmp_path, ends) == [1.0, 2.25, 3.0]  # a last line that is not whole does not count


@pytest.mark.parametrize("text", [b"zero 1.0\n", b"1\n"])
def test_damaged_times_are_said(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "console.times").write_bytes(text)
    with pytest.raises(Malformed, match=r"console\.times: line 1"):
        list(read_times(tmp_path))


def test_the_port_is_drained_while_nothing_else_gets_done(tmp_path: Path, adapter: Adapter) -> None:
    """The process that judges may be busy for seconds: the recorder does not wait for it."""
    folder = tmp_path / "console"
    with recording(serial(adapter), folder):
        sender = threading.Thread(target=adapter.send, args=(b"y" * 500_000,))
        sender.start()
        end = time.monotonic() + 1.0
        while time.monotonic() < end:  # holds the interpreter's lock, as a diagnosis does
            sum(range(10_000))
        sender.join(60)
        assert not sender.is_alive()
    assert size(folder) == 500_000
