"""A small arm64 PE program, as the tests of boot loaders and unified kernel images need one."""

from __future__ import annotations

import struct


def efi_program(machine: int = 0xAA64) -> bytes:
    """A PE32+ program with one section, whose header has space for eight more."""
    head = bytearray(1024)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 60, 64)
    head[64:68] = b"PE\0\0"
    struct.pack_into("<HHIIIHH", head, 68, machine, 1, 0, 0, 0, 240, 0x22E)
    struct.pack_into("<H", head, 88, 0x20B)
    struct.pack_into("<II", head, 88 + 32, 4096, 512)
    struct.pack_into("<II", head, 88 + 56, 8192, 1024)
    struct.pack_into("<H", head, 88 + 68, 10)
    struct.pack_into("<I", head, 88 + 108, 16)
    struct.pack_into("<8sIIIIIIHHI", head, 88 + 240, b".text", 512, 4096, 512, 1024, 0, 0, 0, 0, 0x60000020)
    return bytes(head) + b"\x1f\x20\x03\xd5" * 128
