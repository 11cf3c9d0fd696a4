"""Lines that a console comes over: a serial device of this machine, or a port of another over the network.

A line is opened, read without waiting, and may vanish at any time (an adapter that is pulled, a server that
is restarted): then `LineLost` is raised, and it may be opened again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import termios
import tty
from typing import Protocol

from attrs import asdict, define, field, frozen

from bootwright.bench.telnet import GREETING, Telnet
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.structure import structure

_CHUNK = 1 << 16
_CONNECT_SECONDS = 5.0


@frozen
class Address:
    """Where a console is."""

    kind: str
    """`serial` (a device), `telnet` (ser2net with RFC 2217, as labgrid's exporter starts it) or `tcp`."""
    device: str = ""
    speed: int = 115200
    """Baud, of a device; the exporter sets that of its ports."""
    host: str = ""
    port: int = 0

    def __str__(self) -> str:
        return f"{self.device} at {self.speed} baud" if self.kind == "serial" else f"{self.host}:{self.port}"

    def as_json(self) -> dict[str, object]:
        """As the recorder is told."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> Address:
        """Raises `Malformed`."""
        return structure(document, cls, "address")


class LineLost(Exception):
    """The line is gone; `str` says why."""


class Line(Protocol):
    """A console's bytes, as they come."""

    def open(self) -> None:
        """Raises `LineLost` where it is not there."""
        ...

    def fileno(self) -> int:
        """To wait on."""
        ...

    def read(self) -> bytes:
        """What is there, empty where nothing is; raises `LineLost`."""
        ...

    def close(self) -> None:
        """May be called at any time, also twice."""
        ...


def line_of(address: Address) -> Line:
    """The line at an address, not opened yet."""
    if address.kind == "serial":
        return SerialLine(address.device, speed_of(address.speed))
    return NetworkLine(address.host, address.port, is_telnet=address.kind == "telnet")


def speed_of(baud: int) -> int:
    """The constant of termios(3); raises `Refused` for a speed that no serial device has."""
    speed = getattr(termios, f"B{baud}", None)
    if not isinstance(speed, int) or baud <= 0:
        raise Refused(f"no serial device runs at {baud} baud", hint="115200 is what most boards use")
    return speed


def check_device(device: str) -> None:
    """Raises `Missing` for a device that is not there or may not be read, `Refused` for no serial device."""
    try:
        handle = os.open(device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        hint = "is the adapter plugged in? ls /dev/serial/by-id names those that are"
        if error.errno == errno.EACCES:
            hint = "add yourself to the group that owns it (often dialout) and log in again"
        raise Missing(f"cannot read {device}: {error.strerror}", hint=hint) from error
    try:
        if not stat.S_ISCHR(os.fstat(handle).st_mode) or not os.isatty(handle):
            raise Refused(f"{device} is not a serial device", hint="it looks like /dev/ttyUSB0")
    finally:
        os.close(handle)


@define
class SerialLine:
    """A serial device: raw, eight bits, no flow control."""

    device: str
    speed: int
    """As termios has it."""
    _handle: int | None = None

    def open(self) -> None:
        """Raises `LineLost`."""
        try:
            handle = os.open(self.device, os.O_RDONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise LineLost(error.strerror) from error
        try:
            tty.setraw(handle, termios.TCSANOW)
            attributes = termios.tcgetattr(handle)
            attributes[2] = (attributes[2] | termios.CLOCAL | termios.CREAD) & ~termios.CRTSCTS
            attributes[4] = attributes[5] = self.speed
            termios.tcsetattr(handle, termios.TCSANOW, attributes)
        except (OSError, termios.error) as error:
            os.close(handle)
            raise LineLost(str(error.args[-1])) from error
        self._handle = handle

    def fileno(self) -> int:
        """Of the open device."""
        if self._handle is None:
            raise LineLost("it is not open")
        return self._handle

    def read(self) -> bytes:
        """Raises `LineLost` at a hang-up, which a pulled adapter is."""
        try:
            data = os.read(self.fileno(), _CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LineLost(error.strerror) from error
        if not data:
            raise LineLost("it hung up")
        return data

    def close(self) -> None:
        """Let go of the device."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


@define
class NetworkLine:
    """A port that a server offers over TCP, plain or by telnet."""

    host: str
    port: int
    is_telnet: bool
    _socket: socket.socket | None = None
    _telnet: Telnet = field(factory=Telnet)

    def open(self) -> None:
        """Raises `LineLost`."""
        try:
            connection = socket.create_connection((self.host, self.port), timeout=_CONNECT_SECONDS)
        except (OSError, OverflowError) as error:
            raise LineLost(getattr(error, "strerror", None) or str(error)) from error
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._telnet = Telnet()
        self._socket = connection
        if self.is_telnet:
            self._send(GREETING)
        connection.setblocking(False)

    def fileno(self) -> int:
        """Of the connection."""
        if self._socket is None:
            raise LineLost("it is not open")
        return self._socket.fileno()

    def read(self) -> bytes:
        """Raises `LineLost` when the server has closed it."""
        if self._socket is None:
            raise LineLost("it is not open")
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise LineLost(error.strerror) from error
        if not data:
            raise LineLost("the server closed it")
        if not self.is_telnet:
            return data
        data = self._telnet.feed(data)
        self._send(self._telnet.take_replies())
        return data

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        # A few bytes at a connection's start: they fit, or the server reads nothing, and then is not one.
        if data and self._socket is not None:
            with contextlib.suppress(BlockingIOError):
                try:
                    self._socket.sendall(data)
                except OSError as error:
                    raise LineLost(error.strerror) from error
