"""A small client of GDB's remote protocol, as QEMU's stub speaks it (GDB manual, appendix E).

What is needed of it: breakpoints, going on to one, the general registers of an arm64 CPU, memory, and which
of several CPUs is meant.
"""

from __future__ import annotations

import socket
import struct

from attrs import define, field, frozen

from bootwright.foundation.errors import ToolFailed

_REGISTERS = struct.Struct("<33Q")
"""x0 to x30, sp, pc: the first of `g` (QEMU gdb-xml/aarch64-core.xml)."""
_PSTATE = struct.Struct("<I")
_MASK_IRQ = 1 << 7
"""PSTATE.I (Arm ARM, C5.2.19, SPSR)."""
_MOST_PACKET = 1 << 20
_MOST_CPUS = 64
_CHUNK = 1024
"""Bytes of memory asked for at once: QEMU's packets hold 4096 characters."""


@frozen
class Registers:
    """General registers of the stopped CPU."""

    x: tuple[int, ...]
    sp: int
    pc: int


@define
class Debugger:
    """A connection to the stub of a machine, which is stopped whenever a method returns."""

    connection: socket.socket
    patience: float | None = field(default=None, init=False)
    """Wall seconds for which `go_on` and `step` wait; None: the connection's own time."""
    _received: bytearray = field(factory=bytearray, init=False)

    def break_at(self, address: int) -> None:
        """Stop before the instruction at `address`."""
        self._expect_ok(f"Z1,{address:x},4")

    def clear(self, address: int) -> None:
        """Take a breakpoint away."""
        self._expect_ok(f"z1,{address:x},4")

    def watch_reads(self, address: int, size: int) -> bool:
        """Stop behind a read of these bytes as well; False where the stub cannot do that."""
        return self._ask(f"Z3,{address:x},{size:x}") == b"OK"

    def unwatch_reads(self, address: int, size: int) -> None:
        """Take it back."""
        self._expect_ok(f"z3,{address:x},{size:x}")

    def go_on(self) -> bool:
        """Run to the next breakpoint; False when the machine ended instead.

        Raises `TimeoutError` when neither happens in `patience`.
        """
        return self._resume(b"c")

    def step(self) -> bool:
        """Run one instruction; as `go_on`. Needed at a breakpoint, once that is cleared, to go on past it."""
        return self._resume(b"s")

    def start(self) -> None:
        """Let the machine run, until `stop`."""
        self._send(b"c")

    def stop(self) -> None:
        """Stop a machine that runs; raises `ToolFailed` where it ended."""
        try:
            self.connection.sendall(b"\x03")
            self._packet()
        except OSError as error:
            raise ToolFailed("qemu's debugger", f"the machine could not be stopped: {error}") from error

    def leave(self) -> None:
        """Let the machine run on without a debugger."""
        self._expect_ok("D")

    def cpus(self) -> list[str]:
        """Every CPU, as the stub names it."""
        names: list[str] = []
        answer = self._ask("qfThreadInfo")
        while answer[:1] == b"m" and len(names) < _MOST_CPUS:
            names += answer[1:].decode("ascii", "replace").split(",")
            answer = self._ask("qsThreadInfo")
        return names

    def choose(self, cpu: str) -> None:
        """Registers and memory are from here on those that this CPU sees."""
        self._expect_ok(f"Hg{cpu}")

    def _resume(self, command: bytes) -> bool:
        self._send(command)
        usual = self.connection.gettimeout()
        try:
            if self.patience is not None:
                self.connection.settimeout(self.patience)
            answer = self._packet()
        except ConnectionError:
            return False
        finally:
            self.connection.settimeout(usual)
        return answer[:1] in {b"T", b"S"}

    def registers(self) -> Registers:
        """The registers now; raises `ToolFailed` where the stub gives fewer."""
        answer = self._ask("g")
        raw = _bytes(answer)
        if len(raw) < _REGISTERS.size:
            raise ToolFailed("qemu's debugger", f"{len(raw)} bytes of registers, {_REGISTERS.size} expected")
        *x, sp, pc = _REGISTERS.unpack_from(raw)
        return Registers(tuple(x), sp, pc)

    def change(self, register: int, value: int) -> None:
        """Give a register a value: 0 to 30 are x0 to x30, 31 is sp, 32 is pc."""
        raw = bytearray(_bytes(self._ask("g")))
        if len(raw) < _REGISTERS.size:
            raise ToolFailed("qemu's debugger", f"{len(raw)} bytes of registers, {_REGISTERS.size} expected")
        struct.pack_into("<Q", raw, register * 8, value)
        self._expect_ok(f"G{raw.hex()}")

    def put_back(self, registers: Registers) -> None:
        """Give every general register the value that it had, the program counter included."""
        raw = bytearray(_bytes(self._ask("g")))
        if len(raw) < _REGISTERS.size:
            raise ToolFailed("qemu's debugger", f"{len(raw)} bytes of registers, {_REGISTERS.size} expected")
        _REGISTERS.pack_into(raw, 0, *registers.x, registers.sp, registers.pc)
        self._expect_ok(f"G{raw.hex()}")

    def mask_interrupts(self) -> None:
        """Let the CPU take no interrupt until it unmasks them itself."""
        raw = bytearray(_bytes(self._ask("g")))
        if len(raw) < _REGISTERS.size + _PSTATE.size:
            raise ToolFailed("qemu's debugger", f"{len(raw)} bytes of registers, no processor state")
        (pstate,) = _PSTATE.unpack_from(raw, _REGISTERS.size)
        _PSTATE.pack_into(raw, _REGISTERS.size, pstate | _MASK_IRQ)
        self._expect_ok(f"G{raw.hex()}")

    def memory(self, address: int, size: int) -> bytes | None:
        """Bytes at a virtual address, or None where nothing is mapped."""
        whole = bytearray()
        while len(whole) < size:
            number = min(_CHUNK, size - len(whole))
            answer = self._ask(f"m{address + len(whole):x},{number:x}")
            if answer[:1] == b"E" and len(answer) == 3:
                return None
            whole += _bytes(answer)
        return bytes(whole)

    def write(self, address: int, data: bytes) -> None:
        """Change memory at a virtual address, code included; raises `ToolFailed` where nothing is mapped."""
        for at in range(0, len(data), _CHUNK):
            part = data[at : at + _CHUNK]
            self._expect_ok(f"M{address + at:x},{len(part):x}:{part.hex()}")

    def device_register(self, address: int) -> int:
        """A 32-bit register of a device, at a physical address."""
        answer = self._physically(f"m{address:x},4")
        return int.from_bytes(_bytes(answer), "little")

    def change_device(self, address: int, value: int) -> None:
        """Write a 32-bit register of a device, at a physical address."""
        answer = self._physically(f"M{address:x},4:{value.to_bytes(4, 'little').hex()}")
        if answer != b"OK":
            raise ToolFailed("qemu's debugger", f"{address:#x} cannot be written to: {answer[:100]!a}")

    def _physically(self, text: str) -> bytes:
        """Ask with addresses taken as physical (QEMU docs/system/gdb, `Qqemu.PhyMemMode`)."""
        self._expect_ok("Qqemu.PhyMemMode:1")
        try:
            return self._ask(text)
        finally:
            self._expect_ok("Qqemu.PhyMemMode:0")

    def _ask(self, text: str) -> bytes:
        self._send(text.encode())
        try:
            return self._packet()
        except (ConnectionError, TimeoutError) as error:
            raise ToolFailed("qemu's debugger", f"no answer to {text}: {error}") from error

    def _expect_ok(self, text: str) -> None:
        answer = self._ask(text)
        if answer != b"OK":
            raise ToolFailed("qemu's debugger", f"{text} was answered with {answer[:100]!a}")

    def _send(self, body: bytes) -> None:
        try:
            self.connection.sendall(b"$%s#%02x" % (body, sum(body) & 0xFF))
        except OSError as error:
            raise ToolFailed("qemu's debugger", f"the connection is closed: {error}") from error

    def _packet(self) -> bytes:
        """The next packet's body; acknowledgements and console output (`O…`) are passed over."""
        while True:
            start = self._received.find(b"$")
            end = self._received.find(b"#", start) if start >= 0 else -1
            if 0 <= end <= len(self._received) - 3:
                body = bytes(self._received[start + 1 : end])
                del self._received[: end + 3]
                self.connection.sendall(b"+")
                if body[:1] != b"O" or body == b"OK":
                    return body
                continue
            if len(self._received) > _MOST_PACKET:
                raise ToolFailed("qemu's debugger", "an endless packet")
            chunk = self.connection.recv(65536)
            if not chunk:
                raise ConnectionResetError("closed")
            self._received += chunk


def _bytes(answer: bytes) -> bytes:
    try:
        return bytes.fromhex(answer.decode("ascii"))
    except ValueError as error:
        raise ToolFailed("qemu's debugger", f"{answer[:100]!a} is not hexadecimal") from error
