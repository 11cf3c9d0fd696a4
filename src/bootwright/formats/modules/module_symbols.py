"""What a kernel module asks of the kernel by name, and what it exports itself, with CONFIG_MODVERSIONS' CRCs.

`__versions` is an array of `struct modversion_info` { unsigned long crc; char name[64 - 8]; }
(include/linux/module.h, Linux 6.12). Kernels with CONFIG_EXTENDED_MODVERSIONS have `__version_ext_crcs`
(32-bit) and `__version_ext_names` (strings that end with NUL) beside or instead of it
(kernel/module/version.c, Linux 6.14). An exported symbol has an entry in `__ksymtab` or `__ksymtab_gpl`, and
where there are CRCs one in `__kcrctab` at the same index (include/asm-generic/export.h, Linux 6.12).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from attrs import field, frozen

from bootwright.formats.modules.elf_object import ElfObject

_VERSION = struct.Struct("<Q56s")
_ENTRY = 12
"""Bytes of a `struct kernel_symbol` with relative references, as arm64 has it: three 32-bit offsets."""
_MARK = "__ksymtab_"


@frozen
class ModuleSymbols:
    """A module's symbols, as far as loading it depends on them."""

    wants: tuple[str, ...]
    """Undefined symbols that are not weak: each must be exported by the kernel or by a loaded module."""
    versions: Mapping[str, int] = field(repr=False)
    """Symbol → the CRC the module was built with; empty without CONFIG_MODVERSIONS."""
    exports: Mapping[str, int | None] = field(repr=False)
    """Symbol → its CRC, None where it has none."""
    init: tuple[str, ...]
    """Names of its init function beside `init_module`, as `initcall_blacklist=` takes them."""


def module_symbols(elf: ElfObject) -> ModuleSymbols:
    """The symbols of a module whose sections were read."""
    wants: list[str] = []
    places: dict[str, dict[int, str]] = {"__ksymtab": {}, "__ksymtab_gpl": {}}
    by_place: dict[tuple[int, int], list[str]] = {}
    init: tuple[int, int] | None = None
    for symbol in elf.symbols():
        if symbol.section == 0:
            if not symbol.weak:
                wants.append(symbol.name)
            continue
        if symbol.name == "init_module":
            init = symbol.section, symbol.value
        if symbol.name.startswith(_MARK) and symbol.section < len(elf.sections):
            table = places.get(elf.sections[symbol.section].name)
            if table is not None:
                table[symbol.value // _ENTRY] = symbol.name[len(_MARK) :]
        elif symbol.section < len(elf.sections):
            by_place.setdefault((symbol.section, symbol.value), []).append(symbol.name)
    return ModuleSymbols(
        tuple(wants),
        _versions(elf),
        _exports(elf, places),
        tuple(name for name in by_place.get(init, ()) if name not in {"init_module", "$x"}) if init else (),
    )


def has_versions(elf: ElfObject) -> bool:
    """Whether the module carries CRCs, so that its vermagic's release does not count (`same_magic`)."""
    return elf.section("__versions") is not None or elf.section("__version_ext_crcs") is not None


def _versions(elf: ElfObject) -> dict[str, int]:
    raw = elf.content("__versions")
    crc_of = {
        name.partition(b"\0")[0].decode("utf-8", "replace"): crc & 0xFFFFFFFF
        for crc, name in _VERSION.iter_unpack(raw[: len(raw) // _VERSION.size * _VERSION.size])
    }
    crcs = elf.content("__version_ext_crcs")
    names = elf.content("__version_ext_names").split(b"\0")
    for index, (crc,) in enumerate(struct.iter_unpack("<I", crcs[: len(crcs) // 4 * 4])):
        if index < len(names) and names[index]:
            crc_of[names[index].decode("utf-8", "replace")] = crc
    return crc_of


def _exports(elf: ElfObject, places: Mapping[str, Mapping[int, str]]) -> dict[str, int | None]:
    exported: dict[str, int | None] = {}
    for table, names in places.items():
        crcs = elf.content(table.replace("ksymtab", "kcrctab"))
        for index, name in names.items():
            whole = 4 * index + 4 <= len(crcs)
            exported[name] = struct.unpack_from("<I", crcs, 4 * index)[0] if whole else None
    return exported
