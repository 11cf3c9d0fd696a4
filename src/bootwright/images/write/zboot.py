"""A kernel as an EFI zboot image: an EFI program that holds it compressed, as Talos's are.

The header is the kernel's own (drivers/firmware/efi/libstub/zboot-header.S, Linux 6.18): `MZ`, `zimg`, where
the payload is and how long, its compression, the magic of Linux's EFI programs at 56. The code in front of it
is `probes/zboot/`, not the kernel's: that is linked of the kernel's objects, which no package has. Everything
lies in the file as in memory, so that the payload's offset holds in both.
"""

from __future__ import annotations

import struct

from attrs import frozen

from bootwright.foundation import tools
from bootwright.foundation.errors import Malformed
from bootwright.foundation.guest import program

COMPRESSION = "zstd"
"""What the code can unpack."""
_PAGE = 4096
_LINUX_PE = 0x818223CD
"""LINUX_PE_MAGIC, include/linux/pe.h."""
_ARM64 = 0xAA64
_PE_AT = 64
_LOAD = 1
_EXECUTE, _WRITE = 1, 2
_CODE, _DATA, _WRITABLE = 0x60000020, 0x40000040, 0xC0000040
"""Characteristics of sections: contents, and what may be done with it."""
_OPTIONAL = struct.Struct("<HBB5I Q2I6H4I2H4Q2I")
_DIRECTORIES = 6
_NX_COMPATIBLE = 0x100
_EFI_APPLICATION = 10
_CHARACTERISTICS = 0x0206
"""An executable without line numbers and debugging information."""
_IMAGE_VERSION_AT = 44
"""Offset of MajorImageVersion in the optional header: from 1 on Linux takes its initramfs by LoadFile2."""


@frozen
class _Segment:
    address: int
    """In the file, and in memory from where the program was loaded."""
    data: bytes
    characteristics: int


def zboot(image: bytes, where: str) -> bytes:
    """A bare arm64 Image as an EFI zboot image with zstd; the same Image gives the same bytes.

    Raises `Missing` without zstd or a compiler, `Malformed` for an Image that is no EFI program.
    """
    pe_at = int.from_bytes(image[60:64], "little")
    if image[:2] != b"MZ" or image[pe_at : pe_at + 4] != b"PE\0\0":
        raise Malformed(where, 0, "an Image that firmware can start (CONFIG_EFI_STUB)", "none")
    version = struct.unpack_from("<2H", image, pe_at + 24 + _IMAGE_VERSION_AT)
    entry, segments = _segments(program("zboot").path.read_bytes())
    compressor = tools.need("zstd", purpose="compress the kernel")
    payload = tools.run([compressor, "--stdout", "--quiet", "-5"], input_bytes=image, timeout=600)
    at = max(_aligned(segment.address + len(segment.data)) for segment in segments)
    # Its length without compression stands behind it, as the kernel's Makefile.zboot puts it.
    segments.append(_Segment(at, payload + struct.pack("<I", len(image)), _DATA))
    output = bytearray(_header(entry, segments, at, len(payload), version))
    for segment in segments:
        output += bytes(segment.address - len(output)) + segment.data
    return bytes(output) + bytes(-len(output) % _PAGE)


def _segments(elf: bytes) -> tuple[int, list[_Segment]]:
    """Where the program begins, and its parts, with a page for the header in front."""
    entry, table = struct.unpack_from("<QQ", elf, 24)
    (count,) = struct.unpack_from("<H", elf, 56)
    headers = [struct.unpack_from("<2I6Q", elf, table + 56 * number) for number in range(count)]
    loaded = [header for header in headers if header[0] == _LOAD]
    lowest = min(header[3] for header in loaded) & -_PAGE
    segments: list[_Segment] = []
    for _, flags, offset, address, _, stored, size, _ in loaded:
        begin = address & -_PAGE
        data = bytes(address - begin) + elf[offset : offset + stored] + bytes(size - stored)
        kind = _CODE if flags & _EXECUTE else _WRITABLE if flags & _WRITE else _DATA
        segments.append(_Segment(begin - lowest + _PAGE, data, kind))
    return entry - lowest + _PAGE, segments


def _header(entry: int, segments: list[_Segment], payload: int, size: int, version: tuple[int, ...]) -> bytes:
    head = bytearray(_PAGE)
    struct.pack_into(
        "<4s4s4I32sII",
        head,
        0,
        *(b"MZ\0\0", b"zimg", payload, size, 0, 0, COMPRESSION.encode(), _LINUX_PE, _PE_AT),
    )
    optional_size = _OPTIONAL.size + 8 * _DIRECTORIES
    struct.pack_into(
        "<4s2H3I2H",
        head,
        _PE_AT,
        *(b"PE\0\0", _ARM64, len(segments), 0, 0, 0, optional_size, _CHARACTERISTICS),
    )
    code = [segment for segment in segments if segment.characteristics == _CODE]
    end = _aligned(segments[-1].address + len(segments[-1].data))
    code_size = sum(_aligned(len(segment.data)) for segment in code)
    _OPTIONAL.pack_into(
        head,
        _PE_AT + 24,
        *(0x20B, 2, 20, code_size, end - _PAGE - code_size, 0, entry, code[0].address),
        *(0, _PAGE, _PAGE, 0, 0, *version, 0, 0, 0, end, _PAGE, 0, _EFI_APPLICATION, _NX_COMPATIBLE),
        *(0, 0, 0, 0, 0, _DIRECTORIES),
    )
    for number, segment in enumerate(segments):
        name = b".text" if segment.characteristics == _CODE else b".data"
        size_in_file = _aligned(len(segment.data))
        struct.pack_into(
            "<8s6I2HI",
            head,
            _PE_AT + 24 + optional_size + 40 * number,
            *(name, size_in_file, segment.address, size_in_file, segment.address, 0, 0, 0, 0),
            segment.characteristics,
        )
    return bytes(head)


def _aligned(size: int) -> int:
    return -(-size // _PAGE) * _PAGE
