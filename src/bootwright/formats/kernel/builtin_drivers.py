"""The drivers built into an arm64 Image, read from its data: names, buses and match tables.

`modules.builtin.modinfo` lists device-table aliases of built-in drivers only from Linux 6.18, and only for
tables marked with MODULE_DEVICE_TABLE. The Image has them all: a driver is a static structure with a
`struct device_driver` inside (include/linux/device/driver.h) whose `of_match_table` points to an array of
`struct of_device_id`. arm64 images carry RELR addends in place, so pointers can be followed in the file:
file offset = address − address of `_text`; where they do not, `relocations` puts them there.

No symbol of data is needed, which only CONFIG_KALLSYMS_ALL gives: where a driver's structure is says the
call that registers it (`registered_drivers`); one whose call is not seen is found by its form
(`driver_scan`).
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator

from attrs import evolve

from bootwright.formats.code.calls import CallFinder
from bootwright.formats.code.image_code import ImageCode
from bootwright.formats.code.registrations import Registrations
from bootwright.formats.kernel.built_in import BuiltIn, Driver, EarlyEntry
from bootwright.formats.kernel.driver_scan import Scan
from bootwright.formats.kernel.image_memory import ImageMemory
from bootwright.formats.kernel.kallsyms import Symbols, read_symbols
from bootwright.formats.kernel.match_tables import OfId, of_table
from bootwright.formats.kernel.registered_drivers import registered_drivers
from bootwright.formats.kernel.relocations import relocated


def read_built_in(image: bytes, name: str) -> BuiltIn:
    """Find the drivers and early tables of an uncompressed arm64 Image.

    Raises `Malformed` where it has no symbol table.
    """
    image = relocated(image).image
    symbols = read_symbols(image, name)
    scan = Scan(image, symbols, name)
    named = any(kind in "bdr" for kind in symbols.types)  # static data has symbols with KALLSYMS_ALL only
    return BuiltIn(
        drivers=_drivers(image, symbols, scan, name),
        early=_early(image, symbols) if named else _early_by_form(symbols, scan),
        of_node=_of_node(image, symbols),
    )


def _drivers(image: bytes, symbols: Symbols, scan: Scan, where: str) -> tuple[Driver, ...]:
    """Those that are seen being registered, and what else has the form of a driver."""
    code = ImageCode(image, symbols)
    registrations = Registrations(code)
    finder = CallFinder(image, symbols)
    memory = ImageMemory(image, symbols, where)
    drivers = dict(registered_drivers(registrations.all(), registrations.buses(), memory, finder))
    objects = _objects(symbols)
    for at, driver in drivers.items():
        name = objects.get(driver.registered_by, "")
        if name:
            drivers[at] = evolve(driver, object=name)
    for shape in scan.drivers:
        if shape.address not in drivers:
            drivers[shape.address] = Driver(
                name=shape.name,
                buses=("pci",) if shape.pci else ("amba",) if shape.amba else (),
                of=shape.of,
                ids=shape.ids,
                pci=shape.pci,
                amba=shape.amba,
                calls=finder.calls(shape.functions),
                table=shape.table,
            )
    return tuple(drivers.values())


_MOST_INSTRUCTIONS = 24


def _of_node(image: bytes, symbols: Symbols) -> int:
    """The first thing that `of_match_device(matches, dev)` loads from its second argument.

    drivers/of/device.c, Linux 6.12: `if (!matches || !dev->of_node || dev->of_node_reused)`.
    """
    start = next((address for address, _, name in symbols if name == "of_match_device"), None)
    at = -1 if start is None else start - symbols.base
    if not 0 <= at <= len(image) - 4 * _MOST_INSTRUCTIONS:
        return 0
    second = {1}
    words: tuple[int, ...] = struct.unpack_from(f"<{_MOST_INSTRUCTIONS}I", image, at)
    for word in words:
        if word & 0xFFE0FFE0 == 0xAA0003E0 and word >> 16 & 31 in second:  # MOV
            second.add(word & 31)
        elif word & 0xFFC00000 == 0xF9400000 and word >> 5 & 31 in second:  # LDR, 64 bits
            return (word >> 10 & 0xFFF) * 8
    return 0


_INITCALL = re.compile(r"__init(?:call|stub)__kmod_(.+?)__\d+_\d+_(\w+?)(?:early|con|rootfs|\ds?)$")
"""__initcall__kmod_NAME__NUMBER_LINE_FUNCTIONlevel: include/linux/init.h __initcall_id, Linux 5.10 to 7.3."""


def _objects(symbols: Symbols) -> dict[str, str]:
    """Function that is called once at boot → the object it is built into, where all of one name are in one.

    The entries of the table of initcalls have names that say so, which are in a symbol table with
    CONFIG_KALLSYMS_ALL; with link-time optimisation by Clang the functions themselves have such names.
    """
    objects: dict[str, str] = {}
    for name in symbols.names:
        match = _INITCALL.fullmatch(name) if name.startswith("__init") else None
        if match is not None:
            for function in (match[2], name):
                objects[function] = match[1] if objects.get(function, match[1]) == match[1] else ""
    return objects


def _early_by_form(symbols: Symbols, scan: Scan) -> tuple[EarlyEntry, ...]:
    """What can be found without the symbols of data."""
    made = _made_by_drivers(symbols)
    early = [_early_entry(kind, entry, made) for kind, _, entry in scan.early]
    early += [
        EarlyEntry(kind="initcall", compatible=compatible, keeps_device=True)
        for compatible in dict.fromkeys(entry.compatible for entry in scan.of_initcalls())
    ]
    return tuple(early)


_MOST_OF_INITCALLS = 4096
"""Compatibles; a Debian kernel has 300."""


def boot_functions(image: bytes, where: str) -> dict[tuple[str, str], int]:
    """(kind, compatible) of early tables → the address of the function that is called for such a node.

    `image` has its pointers in place (`relocated`). Raises `Malformed` where it has no symbol table.
    """
    symbols = read_symbols(image, where)
    if any(kind in "bdr" for kind in symbols.types):
        entries = list(_early_ids(image, symbols))
    else:
        entries = [(kind, entry) for kind, _, entry in Scan(image, symbols, where).early]
    functions: dict[tuple[str, str], int] = {}
    for kind, entry in entries:
        functions.setdefault((kind, entry.compatible), entry.data)
    return functions


def _early(image: bytes, symbols: Symbols) -> tuple[EarlyEntry, ...]:
    """What the early tables have."""
    made = _made_by_drivers(symbols)
    early_entries = [_early_entry(kind, entry, made) for kind, entry in _early_ids(image, symbols)]
    early_entries.extend(_of_initcalls(image, symbols))
    return tuple(early_entries)


def _early_ids(image: bytes, symbols: Symbols) -> Iterator[tuple[str, OfId]]:
    """Entries `__of_table_*`, each in the table whose start (`__clk_of_table`, …) is nearest before.

    A table's first entry has the same address as its start, and may stand before it in the symbols.
    """
    starts = [(a, n[2:-9]) for a, _, n in symbols if n.startswith("__") and n.endswith("_of_table")]
    places = [address for address, _ in starts]
    for address, _, name in symbols:
        if not name.startswith("__of_table_"):
            continue
        index = bisect_right(places, address) - 1
        if index >= 0:
            at = address - symbols.base
            entry = of_table(image[at : at + 200] + bytes(200), 0)
            if entry and entry[0].compatible:
                yield starts[index][1], entry[0]


def _made_by_drivers(symbols: Symbols) -> frozenset[int]:
    """Functions that CLK_OF_DECLARE_DRIVER (include/linux/clk-provider.h) makes."""
    return frozenset(address for address, _, name in symbols if "_of_clk_init_driver" in name)


def _early_entry(kind: str, entry: OfId, made: frozenset[int]) -> EarlyEntry:
    keeps = kind not in {"clk", "irqchip"} or entry.data in made
    return EarlyEntry(kind=kind, compatible=entry.compatible, keeps_device=keeps)


def _of_initcalls(image: bytes, symbols: Symbols) -> Iterator[EarlyEntry]:
    """Static match tables in memory that is freed after boot (`__initconst`): no driver can have them.

    An initcall looks its nodes up by them and sets them up by hand: drivers/pmdomain/renesas/rcar-sysc.c
    rcar_sysc_pd_init, Linux 6.18.
    """
    place = {name: address for address, _, name in symbols if name in {"__init_begin", "__init_end"}}
    begin, end = place.get("__init_begin"), place.get("__init_end")
    if begin is None or end is None:
        return
    compatibles: dict[str, None] = {}
    for address, kind, name in symbols:
        at = address - symbols.base
        if begin <= address < end and at >= 0 and kind in "dr" and not name.startswith("__"):
            compatibles.update(
                (entry.compatible, None) for entry in of_table(image, at) or () if entry.compatible
            )
            if len(compatibles) > _MOST_OF_INITCALLS:
                break
    for compatible in compatibles:
        yield EarlyEntry(kind="initcall", compatible=compatible, keeps_device=True)
