"""A program of the user's own as the only thing that the guest's init runs (probes/program.c)."""

from __future__ import annotations

import stat
import struct
from pathlib import Path

from bootwright.formats.archives import cpio
from bootwright.foundation.errors import Malformed, Missing, Refused, first_bytes

_MOST = 256 << 20
_EM_AARCH64, _PT_INTERP = 183, 3
_HEADER = struct.Struct("<16s2HI3QI6H")
_SEGMENT = struct.Struct("<2I6Q")


def program_archive(path: Path) -> bytes:
    """What goes into the initramfs after init.

    Raises `Missing` where the program cannot be read, `Malformed` where it is no 64-bit ELF file for arm64,
    and `Refused` for one that needs a loader.
    """
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= _MOST else b""
    except OSError as error:
        raise Missing(
            f"the program {path} cannot be read: {error.strerror}", hint="give the path of a file"
        ) from error
    if size > _MOST:
        raise Refused(f"{path} has {size >> 20} MiB", hint=f"at most {_MOST >> 20} MiB fit into a guest")
    check_program(data, str(path))
    members = [
        cpio.folder("bootwright"),
        cpio.Member("bootwright/program", data, stat.S_IFREG | 0o755),
    ]
    return cpio.write(members)


def check_program(data: bytes, where: str) -> None:
    """Raises `Malformed` for anything but an arm64 program, `Refused` where it is not linked statically."""
    hint = "build it with aarch64-linux-gnu-gcc -static"
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        raise Malformed(where, 0, "a 64-bit little-endian ELF file", first_bytes(data, 6), hint=hint)
    fields = _HEADER.unpack_from(data)
    kind, machine, segments, entry_size, count = fields[1], fields[2], fields[5], fields[9], fields[10]
    if machine != _EM_AARCH64:
        raise Malformed(where, 18, f"machine {_EM_AARCH64} (arm64)", str(machine), hint=hint)
    if kind not in {2, 3}:
        raise Malformed(where, 16, "a program (type 2 or 3)", f"type {kind}", hint=hint)
    if entry_size != _SEGMENT.size or segments + count * entry_size > len(data):
        raise Malformed(where, 32, "program headers inside the file", f"{count} at {segments:#x}", hint=hint)
    for number in range(count):
        if _SEGMENT.unpack_from(data, segments + number * entry_size)[0] == _PT_INTERP:
            raise Refused(
                f"{where} is linked with shared libraries, which the guest does not have", hint=hint
            )
