"""One kernel module: what its `.modinfo` says and which drivers are inside.

A `.ko` is a relocatable ELF64 file (System V ABI, AArch64 supplement). `.modinfo` names only the tables
marked MODULE_DEVICE_TABLE; drivers beside them (vc4 has 27 compatibles, 3 in its `.modinfo`) are found by
the relocations of `.data`: a `struct device_driver` has a pointer to its name and, 40 bytes on, to its
match table.
"""

from __future__ import annotations

import contextlib
import re
import struct

from bootwright.formats.kernel.match_tables import OF_STRIDE, Effort, OfId, c_string, of_table
from bootwright.formats.modules.modinfo import is_signed, modinfo_of, plain_module
from bootwright.formats.modules.module_facts import CALLS, ModuleDriver, ModuleFacts, module_name
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import Decompressed, SourceStream, compression
from bootwright.foundation.errors import BootwrightError, Malformed, first_bytes

MAX_MODULE = 512 << 20
"""Bytes of an unpacked module; amdgpu, the largest, has about 30 MB."""

_SECTION = struct.Struct("<2I4Q2I2Q")
_RELOCATION = struct.Struct("<2Qq")
_SYMBOL = struct.Struct("<I2BH2Q")
_SHT_RELA, _SHT_NOBITS = 4, 8
_R_AARCH64_ABS64 = 257
_EM_AARCH64 = 183
_SHF_WRITE = 1
_MAX_NAME = 256
_FIELD = re.compile(rb"(?<=\0)(alias|depends|name|vermagic)=([!-~][ -~]{0,250})\0")
_MAX_DRIVERS = 4096
"""In one module; real ones have some tens at most."""

# Offset of of_match_table in the structure that the bus defines; see kernel_drivers.
_BUS_OF_OFFSET = {72: ("spi",), 80: ("platform",)}
_REGISTER = {
    b"__platform_driver_register\0": "platform",
    b"__platform_driver_probe\0": "platform",
    b"__platform_register_drivers\0": "platform",
    b"i2c_register_driver\0": "i2c",
    b"__spi_register_driver\0": "spi",
    b"__mdio_driver_register\0": "mdio",
    b"mdio_driver_register\0": "mdio",
    b"mipi_dsi_driver_register_full\0": "dsi",
    b"__serdev_device_driver_register\0": "serial",
    b"sdio_register_driver\0": "sdio",
    b"__sdio_register_driver\0": "sdio",
    b"amba_driver_register\0": "amba",
    b"__amba_driver_register\0": "amba",
    b"__pci_register_driver\0": "pci",
    b"usb_register_driver\0": "usb",
    b"__register_rpmsg_driver\0": "rpmsg",
    b"__slim_driver_register\0": "slimbus",
    b"__sdw_register_driver\0": "soundwire",
    b"__spmi_driver_register\0": "spmi",
    b"nvmem_layout_driver_register\0": "nvmem-layout",
    b"__nvmem_layout_driver_register\0": "nvmem-layout",
    b"__auxiliary_driver_register\0": "auxiliary",
    b"mhi_driver_register\0": "mhi",
}


_CALL_MARKS = tuple((call, call.encode() + b"\0") for call in CALLS)


def unpack_module(data: bytes, name: str) -> bytes:
    """A module's ELF bytes from `.ko`, `.ko.xz`, `.ko.zst` or `.ko.gz` content, told apart by magic.

    Raises `Malformed` where the compressed stream is damaged, cut short or larger than `MAX_MODULE`.
    """
    return plain_module(Bytes(data, name), limit=MAX_MODULE)


def read_module(elf: bytes, where: str) -> ModuleFacts:
    """Read an unpacked module. Raises `Malformed` where it is not an ELF64 relocatable with `.modinfo`."""
    sections, names = read_sections(elf, where)
    if b".modinfo" not in names:
        raise Malformed(
            where, 0, "a .modinfo section", "none", hint="this is an ELF file, but no kernel module"
        )
    info = modinfo_of(_content(elf, sections, names, b".modinfo"), where, signed=is_signed(elf))
    return ModuleFacts(
        name=info.name or module_name(where),
        aliases=info.aliases,
        depends=tuple(name.replace("-", "_") for name in info.depends),
        softdeps=tuple(name for line in info.softdeps for name in _soft(line, "pre:")),
        softdeps_after=tuple(name for line in info.softdeps for name in _soft(line, "post:")),
        firmware=info.firmware,
        vermagic=info.vermagic or "",
        weakdeps=tuple(
            name.replace("-", "_") for line in info.fields.get("weakdep", ()) for name in line.split()
        ),
        crcs=b"__versions" in names or b"__version_ext_crcs" in names,
        signed=info.signed,
        drivers=_drivers(elf, sections, names, where),
        calls=_calls(elf, sections, names),
    )


class _InSips:
    """A stream read in small pieces, so that what comes before a damaged place is had."""

    def __init__(self, stream: SourceStream) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        return self._stream.read(min(size, 512))


def salvaged(data: bytes, where: str) -> dict[str, tuple[str, ...]]:
    """Fields of `.modinfo` in what can still be had of a module that is cut short or damaged, by key.

    Compressed data is expanded as far as it goes. What is found says what the module was for, no more.
    """
    kind = compression(data[:8])
    if kind is not None:
        stream = Decompressed(_InSips(SourceStream(Bytes(data, where))), kind, where, limit=MAX_MODULE)
        joined = bytearray()
        with contextlib.suppress(BootwrightError):
            while piece := stream.read(1 << 16):
                joined += piece
        data = bytes(joined)
    fields: dict[str, list[str]] = {}
    for match in _FIELD.finditer(data):
        values = fields.setdefault(match[1].decode(), [])
        if len(values) < _MAX_DRIVERS:
            values.append(match[2].decode())
    return {key: tuple(values) for key, values in fields.items()}


def _soft(softdep: str, when: str) -> list[str]:
    names: list[str] = []
    taking = False
    for word in softdep.split():
        if word.endswith(":"):
            taking = word == when
        elif taking:
            names.append(word.replace("-", "_"))
    return names


_Section = tuple[int, int, int, int, int, int, int, int, int, int]


def read_sections(elf: bytes, where: str) -> tuple[list[_Section], list[bytes]]:
    """The section headers of a relocatable ELF64 file (ten words each) and their names.

    Raises `Malformed` where a section lies outside the file or it is another kind of file.
    """
    if len(elf) < 64 or elf[:6] != b"\x7fELF\x02\x01":
        raise Malformed(where, 0, "a little-endian ELF64 file", first_bytes(elf, 6))
    if struct.unpack_from("<H", elf, 16)[0] != 1:
        raise Malformed(where, 16, "a relocatable ELF file", "another type")
    (table,) = struct.unpack_from("<Q", elf, 40)
    entry_size, count, string_index = struct.unpack_from("<3H", elf, 58)
    if entry_size != _SECTION.size or table + count * entry_size > len(elf) or string_index >= count:
        raise Malformed(where, 40, "a section table inside the file", f"{count} entries at {table:#x}")
    sections: list[_Section] = list(_SECTION.iter_unpack(elf[table : table + count * entry_size]))
    for index, section in enumerate(sections):
        if section[1] != _SHT_NOBITS and section[4] + section[5] > len(elf):
            raise Malformed(where, table + index * entry_size, "a section inside the file", "one beyond it")
    start, size = sections[string_index][4:6]
    strings = elf[start : start + size]
    names = [strings[s[0] : s[0] + _MAX_NAME].partition(b"\0")[0] for s in sections]
    # Real sections do not overlap: what is read of them is bounded by the file.
    taken = sum(section[5] for section in sections if section[1] == _SHT_RELA)
    if taken > len(elf):
        raise Malformed(where, table, "relocations that do not overlap", f"{taken} bytes of them")
    return sections, names


def _drivers(
    elf: bytes, sections: list[_Section], names: list[bytes], where: str
) -> tuple[ModuleDriver, ...]:
    if struct.unpack_from("<H", elf, 18)[0] != _EM_AARCH64:
        return ()
    if b".symtab" not in names:
        return ()
    symbols = sections[names.index(b".symtab")]
    module_drivers: list[ModuleDriver] = []
    registered: tuple[str, ...] | None = None
    last, effort = len(elf) - OF_STRIDE, Effort(where)
    for section in sections:
        target = section[7]
        if section[1] != _SHT_RELA or target >= len(sections) or not sections[target][2] & _SHF_WRITE:
            continue
        if not names[target].startswith((b".data", b".rodata")):
            continue
        pointers = _pointers(elf, section, symbols, sections)
        for at, place in pointers.items():
            name_at = pointers.get(at - 40)
            if name_at is None or place == name_at or not 0 <= place < last:
                continue
            # Most pointers lead to zeros or code: a table's first entry has a name, a type or a compatible.
            if not (elf[place + 64] or elf[place] or elf[place + 32]):
                continue
            table = of_table(elf, place, effort)
            if table is None:
                continue
            name = c_string(elf, name_at)
            if name is None or "/" in name:
                continue
            if registered is None:
                registered = _registrations(elf, sections, names)
            start = _start_of(elf, symbols, target, at)
            module_drivers.append(ModuleDriver(name, _buses(registered, start), _compatibles(table)))
            if len(module_drivers) > _MAX_DRIVERS:
                raise Malformed(where, at, f"at most {_MAX_DRIVERS} drivers", "more")
    return tuple(module_drivers)


def _compatibles(table: tuple[OfId, ...]) -> tuple[str, ...]:
    return tuple(entry.compatible for entry in table if entry.compatible)


def _pointers(elf: bytes, section: _Section, symbols: _Section, sections: list[_Section]) -> dict[int, int]:
    """Offset of each pointer in the section → file offset of what it points to."""
    raw = elf[section[4] : section[4] + section[5] // 24 * 24]
    symbols_at, symbols_end = symbols[4], symbols[4] + symbols[5]
    pointers: dict[int, int] = {}
    for offset, info, addend in _RELOCATION.iter_unpack(raw):
        if info & 0xFFFFFFFF != _R_AARCH64_ABS64:
            continue
        at = symbols_at + (info >> 32) * 24
        if at + 24 > symbols_end:
            continue
        index, value = struct.unpack_from("<HQ", elf, at + 6)
        if 0 < index < len(sections) and sections[index][1] != _SHT_NOBITS:
            pointers[offset] = sections[index][4] + value + addend
    return pointers


def _content(elf: bytes, sections: list[_Section], names: list[bytes], name: bytes) -> bytes:
    """The bytes of the first section of that name; none where there is no such section."""
    if name not in names:
        return b""
    section = sections[names.index(name)]
    return elf[section[4] : section[4] + section[5]]


def _calls(elf: bytes, sections: list[_Section], names: list[bytes]) -> tuple[str, ...]:
    text = _content(elf, sections, names, b".strtab")
    return tuple(call for call, mark in _CALL_MARKS if mark in text)


def _registrations(elf: bytes, sections: list[_Section], names: list[bytes]) -> tuple[str, ...]:
    text = _content(elf, sections, names, b".strtab")
    return tuple(dict.fromkeys(bus for name, bus in _REGISTER.items() if name in text))


def _start_of(elf: bytes, symbols: _Section, target: int, at: int) -> int | None:
    """How far into its structure the pointer at `at` is, by the symbol that covers it."""
    raw = elf[symbols[4] : symbols[4] + symbols[5] // 24 * 24]
    for _, _, _, index, value, size in _SYMBOL.iter_unpack(raw):
        if index == target and value <= at < value + size:
            return at - int(value)
    return None


def _buses(registered: tuple[str, ...], into: int | None) -> tuple[str, ...]:
    if len(registered) == 1:
        return registered
    by_layout = _BUS_OF_OFFSET.get(into or 0, ())
    if by_layout and by_layout[0] in registered:
        return by_layout
    if into == 88:
        return tuple(bus for bus in ("i2c", "platform") if bus in registered)[:1]
    rest = tuple(bus for bus in registered if bus not in {"platform", "i2c", "spi", "pci", "usb"})
    return rest if into == 40 else registered
