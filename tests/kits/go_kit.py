"""A program laid out by hand as Go's linker does, with a file that it carries."""

from __future__ import annotations

import struct


def go_program(text: bytes, variable: str = "main.configTxt") -> bytes:
    """One loaded segment with the bytes and their slice header; a symbol table that names the header."""
    base, start = 0x400000, 64 + 56
    pointer = base + start
    header = struct.pack("<3Q", pointer, len(text), len(text))
    loaded = text + bytes(-len(text) % 8) + header
    at_header = pointer + len(loaded) - 24
    strings = b"\0main.main\0" + variable.encode() + b"\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 11, 1, 0, 1, at_header, 24)
    at_symbols = start + len(loaded)
    at_strings = at_symbols + len(symbols)
    at_sections = at_strings + len(strings)
    sections = bytes(64)
    sections += struct.pack("<IIQQQQIIQQ", 0, 2, 0, 0, at_symbols, len(symbols), 2, 0, 8, 24)
    sections += struct.pack("<IIQQQQIIQQ", 0, 3, 0, 0, at_strings, len(strings), 0, 0, 1, 0)
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        2,
        183,
        1,
        pointer,
        64,
        at_sections,
        0,
        64,
        56,
        1,
        64,
        3,
        0,
    )
    segment = struct.pack("<IIQQQQQQ", 1, 5, start, pointer, pointer, len(loaded), len(loaded), 4096)
    return head + segment + loaded + symbols + strings + sections
