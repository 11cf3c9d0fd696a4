"""The drivers built into an arm64 Image, read from its data: names, buses and match tables.

`modules.builtin.modinfo` lists device-table aliases of built-in drivers only from Linux 6.18, and only
for tables marked with MODULE_DEVICE_TABLE. The Image has them all: a driver is a static structure with a
`struct device_driver` inside (include/linux/device/driver.h) whose `of_match_table` points to an array of
`struct of_device_id`. arm64 images carry RELR addends in place, so pointers can be followed in the file:
file offset = address − address of `_text`; where they do not, `kernel_relocations` puts them there. Where the
symbol table has functions only, `driver_scan` finds the structures by their form.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

from attrs import evolve

from bootwright.formats.code.calls import CallFinder
from bootwright.formats.kernel.built_in import BuiltIn, Driver, EarlyEntry
from bootwright.formats.kernel.driver_scan import Scan
from bootwright.formats.kernel.kallsyms import Symbols, read_symbols
from bootwright.formats.kernel.match_tables import (
    I2C_STRIDE,
    SPI_STRIDE,
    Effort,
    OfId,
    amba_table,
    c_string,
    name_table,
    of_table,
    pci_table,
)
from bootwright.formats.kernel.relocations import relocated

_T = TypeVar("_T")

_OF_IN_DRIVER = 40
"""Offset of `of_match_table` in `struct device_driver`: name, bus, owner, mod_name, two flags before it."""
_DRIVER_SIZE = 144
"""`sizeof(struct device_driver)` in 6.12; what follows in the outer structure starts here or later."""
_MAX_STRUCTURE = 1024

# What comes before `struct device_driver` in the outer structure decides the bus. Offsets of of_match_table:
_FIRST = _OF_IN_DRIVER  # the outer structure starts with it: amba, serdev, mipi_dsi, slimbus, plain drivers
_SPI = 72  # id_table, probe, remove, shutdown
_PLATFORM = 80  # probe, remove, shutdown, suspend, resume (6.11 onwards)
_I2C = 88  # class, probe, remove, shutdown, alert, command; also platform before 6.11 (remove_new)


def read_built_in(image: bytes, name: str) -> BuiltIn:
    """Find the drivers and early tables of an uncompressed arm64 Image.

    Raises `Malformed` where it has no symbol table.
    """
    image = relocated(image).image
    symbols = read_symbols(image, name)
    if not any(kind in "bdr" for kind in symbols.types):  # static data has symbols with KALLSYMS_ALL only
        return _scanned(image, symbols, name)
    return BuiltIn(
        drivers=_drivers(image, symbols, name), early=_early(image, symbols), of_node=_of_node(image, symbols)
    )


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


def _scanned(image: bytes, symbols: Symbols, where: str) -> BuiltIn:
    """What can be found without the symbols of data."""
    scan = Scan(image, symbols, where)
    finder = CallFinder(image, symbols)
    drivers = tuple(
        Driver(
            name=shape.name,
            buses=("pci",) if shape.pci else ("amba",) if shape.amba else (),
            symbol="",
            of=shape.of,
            ids=shape.ids,
            pci=shape.pci,
            amba=shape.amba,
            calls=finder.calls(shape.functions),
        )
        for shape in scan.drivers
    )
    made = _made_by_drivers(symbols)
    early = [_early_entry(kind, entry, made) for kind, _, entry in scan.early]
    early += [
        EarlyEntry(kind="initcall", compatible=compatible, keeps_device=True)
        for compatible in dict.fromkeys(entry.compatible for entry in scan.of_initcalls())
    ]
    return BuiltIn(drivers=drivers, early=tuple(early), of_node=_of_node(image, symbols))


class _Memory:
    """Pointers into the Image, each looked at once."""

    def __init__(self, image: bytes, symbols: Symbols, where: str) -> None:
        self._effort = Effort(where)
        self.image = image
        self.base = symbols.base
        self.end = self.base + len(image)
        ends = (a for a, n in zip(symbols.addresses, symbols.names, strict=True) if n == "_etext")
        self._text_end = next(ends, self.end)
        self._of: dict[int, tuple[OfId, ...] | None] = {}

    def offset(self, address: int) -> int | None:
        return address - self.base if self.base < address < self.end and not address & 3 else None

    def string(self, address: int) -> str | None:
        return c_string(self.image, address - self.base) if self.base < address < self.end else None

    def is_code(self, address: int) -> bool:
        return self.base < address < self._text_end

    def of(self, address: int) -> tuple[OfId, ...] | None:
        if address not in self._of:
            at = self.offset(address)
            self._of[address] = None if at is None else of_table(self.image, at, self._effort)
        return self._of[address]

    def table(self, address: int, decode: Callable[[bytes, int], _T | None]) -> _T | None:
        at = self.offset(address)
        return None if at is None else decode(self.image, at)


def _drivers(image: bytes, symbols: Symbols, where: str) -> tuple[Driver, ...]:
    memory = _Memory(image, symbols, where)
    addresses = symbols.addresses
    drivers: list[Driver] = []
    finder = CallFinder(image, symbols)
    offsets: Counter[int] = Counter()
    raw: list[tuple[int, Driver, tuple[int, int]]] = []
    for index, kind in enumerate(symbols.types):
        if kind not in "dD" or index + 1 >= len(addresses):
            continue
        address = addresses[index]
        size = min(_next(addresses, index) - address, _MAX_STRUCTURE)
        if size < _DRIVER_SIZE or address & 7:
            continue
        at = address - symbols.base
        if at < 0 or at + size > len(image):
            continue
        words = struct.unpack_from(f"<{size // 8}Q", image, at)
        symbol = symbols.names[index]
        for offset in (_FIRST, _SPI, _PLATFORM, _I2C):
            pointer = words[offset // 8]
            if pointer and (table := memory.of(pointer)):
                name = memory.string(words[(offset - _OF_IN_DRIVER) // 8])
                if name and "/" not in name:
                    driver = Driver(
                        name=name,
                        buses=(),
                        symbol=symbol,
                        of=table,
                        ids=_ids(memory, words, offset),
                        calls=finder.calls(word for word in words[:32] if memory.is_code(word)),
                    )
                    raw.append((offset, evolve(driver, table=pointer), words[:2]))
                    offsets[offset] += 1
                    break
        else:
            drivers.extend(_others(memory, words, symbol))
    platform = _PLATFORM if offsets[_PLATFORM] >= offsets[_I2C] else _I2C
    for offset, driver, first in raw:
        # A platform driver begins with its probe function, others have something before it.
        probe = first[0 if offset == _PLATFORM else 1] if offset == platform or offset != _PLATFORM else 0
        probe = probe if memory.is_code(probe) else 0
        drivers.append(evolve(driver, buses=_buses(offset, platform), probe=probe))
    return tuple(drivers)


def _buses(offset: int, platform: int) -> tuple[str, ...]:
    if offset == platform:
        # Before 6.11 the two structures have of_match_table at the same place.
        return ("platform",) if platform == _PLATFORM else ("platform", "i2c")
    return {_SPI: ("spi",), _I2C: ("i2c",)}.get(offset, ())


def _ids(memory: _Memory, words: tuple[int, ...], offset: int) -> tuple[str, ...]:
    if offset == _SPI:
        return memory.table(words[0], lambda data, at: name_table(data, at, stride=SPI_STRIDE)) or ()
    start = (offset - _OF_IN_DRIVER + _DRIVER_SIZE) // 8
    for word in words[start : start + 4]:
        names = memory.table(word, lambda data, at: name_table(data, at, stride=I2C_STRIDE)) if word else None
        if names:
            return names
    return ()


def _others(memory: _Memory, words: tuple[int, ...], symbol: str) -> list[Driver]:
    """Drivers without a devicetree table: pci (name and table come first), amba (table after the driver)."""
    for first in (0, 2):  # 2: kernels whose pci_driver starts with a list head
        if memory.is_code(words[first + 2]) and (name := memory.string(words[first])):
            pci = memory.table(words[first + 1], pci_table)
            if pci:
                return [Driver(name=name, buses=("pci",), symbol=symbol, pci=pci)]
    name = memory.string(words[0])
    if name:
        for word in words[_DRIVER_SIZE // 8 : _DRIVER_SIZE // 8 + 6]:
            amba = memory.table(word, amba_table) if word else None
            if amba:
                probe = words[_DRIVER_SIZE // 8]
                return [
                    Driver(
                        name=name,
                        buses=("amba",),
                        symbol=symbol,
                        amba=amba,
                        probe=probe if memory.is_code(probe) else 0,
                    )
                ]
    return []


def _next(addresses: list[int], index: int) -> int:
    """The next different address: several symbols may name one place."""
    here = addresses[index]
    for other in addresses[index + 1 : index + 8]:
        if other != here:
            return other
    return here


_MOST_OF_INITCALLS = 4096
"""Compatibles; a Debian kernel has 300."""


def _early(image: bytes, symbols: Symbols) -> tuple[EarlyEntry, ...]:
    """Entries `__of_table_*`, each in the table whose start (`__clk_of_table`, …) is nearest before.

    A table's first entry has the same address as its start, and may stand before it in the symbols.
    """
    made = _made_by_drivers(symbols)
    starts = [(a, n[2:-9]) for a, _, n in symbols if n.startswith("__") and n.endswith("_of_table")]
    places = [address for address, _ in starts]
    early_entries: list[EarlyEntry] = []
    for address, _, name in symbols:
        if not name.startswith("__of_table_"):
            continue
        index = bisect_right(places, address) - 1
        if index >= 0:
            at = address - symbols.base
            entry = of_table(image[at : at + 200] + bytes(200), 0)
            if entry and entry[0].compatible:
                early_entries.append(_early_entry(starts[index][1], entry[0], made))
    early_entries.extend(_of_initcalls(image, symbols))
    return tuple(early_entries)


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
