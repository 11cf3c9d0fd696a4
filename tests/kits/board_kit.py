"""A stand-in for a board on a bench: QEMU, or a program of a test, behind a serial pty and a power switch.

The pty is there all the time, as the adapter of a real board is; an external command switches the machine on
and off. So everything is real but the copper: no board can be here.

    python board_kit.py serve FOLDER -- PROGRAM …    the board, until it is killed; its port is FOLDER/tty
    python board_kit.py power FOLDER on|off|get      what a power switch does
"""

import contextlib
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import time
import tty
from collections.abc import Iterator
from pathlib import Path

TTY, SWITCH, LOG = "tty", "switch", "power.log"


def disk(data: bytes) -> bytes:
    """An image for a board that reads nothing of it: a boot record, and one partition that holds the data."""
    sectors = max(7, -(-len(data) // 512))
    entry = struct.pack("<B3xB3xII", 0, 0x83, 1, sectors)
    return bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa" + data.ljust(512 * sectors, b".")


class StandIn:
    """The board: one program while it is on, its standard output and input at the pty."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder, self.command = folder, command
        self.machine: subprocess.Popen[bytes] | None = None
        self.selector = selectors.DefaultSelector()

    def serve(self) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)  # and kept open: a pty without a reader must not hang up
        self.folder.mkdir(parents=True, exist_ok=True)
        with socket.socket(socket.AF_UNIX) as switch:
            for name in (SWITCH, TTY):
                (self.folder / name).unlink(missing_ok=True)
            switch.bind(str(self.folder / SWITCH))
            switch.listen()
            (self.folder / TTY).symlink_to(os.ttyname(slave))
            self.selector.register(switch, selectors.EVENT_READ, self.switched)
            self.selector.register(self.master, selectors.EVENT_READ, self.typed)
            self.switch_socket = switch
            while True:
                for key, _ in self.selector.select():
                    key.data()

    def switched(self) -> None:
        connection, _ = self.switch_socket.accept()
        with connection:
            word = connection.recv(16).decode()
            with (self.folder / LOG).open("a") as log:
                log.write(f"{time.time():.3f} {word}\n")
            if word == "on" and self.machine is None:
                self.machine = subprocess.Popen(
                    self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=self.folder
                )
                assert self.machine.stdout is not None
                self.selector.register(self.machine.stdout, selectors.EVENT_READ, self.printed)
            if word == "off":
                self.off()
            connection.sendall(b"on" if self.machine is not None else b"off")

    def off(self) -> None:
        machine, self.machine = self.machine, None
        if machine is not None:
            assert machine.stdout is not None
            with contextlib.suppress(KeyError):
                self.selector.unregister(machine.stdout)
            machine.kill()
            machine.wait()

    def printed(self) -> None:
        assert self.machine is not None
        assert self.machine.stdout is not None
        data = os.read(self.machine.stdout.fileno(), 4096)
        if not data:  # it has ended; the power is still on
            self.selector.unregister(self.machine.stdout)
            return
        while data:
            data = data[os.write(self.master, data) :]

    def typed(self) -> None:
        data = os.read(self.master, 4096)
        if self.machine is not None and self.machine.stdin is not None:
            with contextlib.suppress(OSError):
                self.machine.stdin.write(data)


def power(folder: Path, word: str) -> str:
    with socket.socket(socket.AF_UNIX) as switch:
        switch.connect(str(folder / SWITCH))
        switch.sendall(word.encode())
        return switch.recv(16).decode()


@contextlib.contextmanager
def board(folder: Path, command: list[str]) -> Iterator[Path]:
    """A stand-in that is off, while the block runs."""
    words = [sys.executable, __file__, "serve", str(folder), "--", *command]
    process = subprocess.Popen(words)
    try:
        end = time.monotonic() + 30
        while not (folder / TTY).exists():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        yield folder
    finally:
        with contextlib.suppress(OSError):
            power(folder, "off")
        process.send_signal(signal.SIGTERM)
        process.wait()


def power_words(folder: Path) -> dict[str, str]:
    """labgrid's ExternalPowerDriver for it."""
    switch = f"{sys.executable} {__file__} power {folder}"
    return {"cmd_on": f"{switch} on", "cmd_off": f"{switch} off"}


def switched(folder: Path) -> list[str]:
    """What the switch was told, in order."""
    path = folder / LOG
    return [line.split()[1] for line in path.read_text().splitlines()] if path.exists() else []


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        StandIn(Path(sys.argv[2]), sys.argv[4:]).serve()
    else:
        print(power(Path(sys.argv[2]), sys.argv[3]))
