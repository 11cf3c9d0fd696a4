"""A `[]byte` variable of a program made by Go, such as a file put into it by `//go:embed`.

The variable's symbol is of its slice header: address, length and capacity of the bytes (Go's
reflect.SliceHeader; the Go internal ABI specification, "Memory layout"). Programs made with `-ldflags=-s`
have no symbols.
"""

from __future__ import annotations

import struct

from bootwright.foundation.errors import Malformed

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_PROGRAM = struct.Struct("<IIQQQQQQ")
_SLICE = struct.Struct("<3Q")
_PT_LOAD, _SHT_SYMTAB = 1, 2
_MOST_ENTRIES = 1024
_MOST_SYMBOLS = 1_000_000
_MOST = 1 << 20


def embedded_bytes(data: bytes, variable: str, where: str) -> bytes:
    """The bytes that a package's variable (`main.configTxt`) holds at the start of the program.

    `data` is the whole ELF64 little-endian file. Raises `Malformed` for another file, where there is no such
    symbol, and where what it points to is not in the file.
    """
    if len(data) < _HEADER.size or data[:6] != b"\x7fELF\x02\x01":
        raise Malformed(where, 0, "a 64-bit little-endian ELF file", data[:6].hex(" "))
    fields = _HEADER.unpack_from(data)
    program_table, section_table, program_count, section_count = fields[5], fields[6], fields[10], fields[12]
    segments = [
        (address, offset, size)
        for kind, _, offset, address, _, size, *_ in _table(
            data, _PROGRAM, program_table, program_count, where
        )
        if kind == _PT_LOAD
    ]
    address = _symbol(data, section_table, section_count, variable, where)
    header = _at(data, segments, address, _SLICE.size, where)
    pointer, length, capacity = _SLICE.unpack(header)
    if length != capacity or length > _MOST:
        raise Malformed(
            where, None, f"a slice of at most {_MOST} bytes at {variable}", f"{length} of {capacity}"
        )
    return _at(data, segments, pointer, length, where)


def _table(data: bytes, form: struct.Struct, offset: int, count: int, where: str) -> list[tuple[int, ...]]:
    if count > _MOST_ENTRIES or offset + count * form.size > len(data):
        raise Malformed(where, offset, "a table inside the file", f"{count} entries")
    return [form.unpack_from(data, offset + number * form.size) for number in range(count)]


def _symbol(data: bytes, offset: int, count: int, variable: str, where: str) -> int:
    sections = _table(data, _SECTION, offset, count, where)
    for section in sections:
        if section[1] != _SHT_SYMTAB or section[6] >= len(sections):
            continue
        start, size = section[4], section[5]
        strings_at, strings_size = sections[section[6]][4], sections[section[6]][5]
        strings = data[strings_at : strings_at + strings_size]
        wanted = strings.find(b"\0" + variable.encode() + b"\0")
        if wanted < 0 or size // _SYMBOL.size > _MOST_SYMBOLS:
            continue
        for at in range(start, min(start + size, len(data)) - _SYMBOL.size + 1, _SYMBOL.size):
            name, _, _, _, value, _ = _SYMBOL.unpack_from(data, at)
            if name == wanted + 1:
                return int(value)
    raise Malformed(
        where, None, f"a symbol {variable}", "none: the program has no symbols, or is another one"
    )


def _at(data: bytes, segments: list[tuple[int, int, int]], address: int, size: int, where: str) -> bytes:
    for start, offset, length in segments:
        if start <= address and address + size <= start + length:
            content = data[offset + address - start : offset + address - start + size]
            if len(content) == size:
                return content
    raise Malformed(where, None, f"{size} bytes of the file at address {address:#x}", "none")
