"""The bytes of a serial port out of a telnet connection, as ser2net makes it (RFC 854, 855, 856, 2217).

Only what a reader needs: both ways are asked to be binary, everything else that the server offers is
declined, and nothing of the port's settings is touched (they are the exporter's).
"""

from __future__ import annotations

from attrs import define

IAC, DONT, DO, WONT, WILL, SB, SE = 255, 254, 253, 252, 251, 250, 240
"""RFC 854, "telnet command structure"."""
BINARY, SUPPRESS_GO_AHEAD = 0, 3
"""RFC 856 and RFC 858."""
_WANTED = frozenset({BINARY, SUPPRESS_GO_AHEAD})
_CR = 13
_DATA, _COMMAND, _OPTION, _SUBNEGOTIATION, _SUBNEGOTIATION_COMMAND = range(5)

GREETING = bytes((IAC, WILL, BINARY, IAC, DO, BINARY, IAC, DO, SUPPRESS_GO_AHEAD))
"""What a client sends first."""


@define
class Telnet:
    """One connection. `feed` takes what came, in any pieces; `replies` is what has to be sent back."""

    _state: int = _DATA
    _command: int = 0
    _is_binary: bool = False
    _after_return: bool = False
    _replies: bytes = b""

    def feed(self, received: bytes) -> bytes:
        """The port's bytes in what was received."""
        data = bytearray()
        start, size = 0, len(received)
        while start < size:
            if self._state == _DATA and not self._after_return:
                # Most of what comes is data: up to the next byte that means something else, in one go.
                end = self._next_special(received, start)
                data += received[start:end]
                if end == size:
                    break
                start = end
            self._byte(received[start], data)
            start += 1
        return bytes(data)

    def take_replies(self) -> bytes:
        """What is to be sent to the server now."""
        replies, self._replies = self._replies, b""
        return replies

    def _next_special(self, received: bytes, start: int) -> int:
        command = received.find(IAC, start)
        end = len(received) if command < 0 else command
        if not self._is_binary:
            carriage_return = received.find(_CR, start, end)
            end = end if carriage_return < 0 else carriage_return
        return end

    def _byte(self, byte: int, data: bytearray) -> None:
        if self._state == _DATA:
            self._data_byte(byte, data)
        elif self._state == _COMMAND:
            self._command_byte(byte, data)
        elif self._state == _OPTION:
            self._answer(self._command, byte)
            self._state = _DATA
        elif self._state == _SUBNEGOTIATION:
            if byte == IAC:
                self._state = _SUBNEGOTIATION_COMMAND
        else:
            self._state = _DATA if byte == SE else _SUBNEGOTIATION

    def _data_byte(self, byte: int, data: bytearray) -> None:
        after_return, self._after_return = self._after_return, False
        if byte == IAC:
            self._state = _COMMAND
            return
        if after_return and byte == 0:  # RFC 854: a lone CR is sent as CR NUL, unless it is binary
            return
        data.append(byte)
        self._after_return = byte == _CR and not self._is_binary

    def _command_byte(self, byte: int, data: bytearray) -> None:
        self._state = _DATA
        if byte == IAC:
            data.append(IAC)
        elif byte == SB:
            self._state = _SUBNEGOTIATION
        elif byte in {DO, DONT, WILL, WONT}:
            self._command = byte
            self._state = _OPTION

    def _answer(self, command: int, option: int) -> None:
        """Wanted options were asked for in the greeting, so that an agreement is not answered again."""
        if option == BINARY and command in {WILL, WONT}:
            self._is_binary = command == WILL
        if option in _WANTED:
            return
        if command == DO:
            self._replies += bytes((IAC, WONT, option))
        elif command == WILL:
            self._replies += bytes((IAC, DONT, option))
