"""Built-in drivers and early tables of an Image, found by their form alone.

A symbol table that names functions only (CONFIG_KALLSYMS_ALL off) has neither: so are Debian 11's and 12's
own kernels, and Talos's. What would be found by its name is found by its form: a `struct device_driver`
(include/linux/device/driver.h, Linux 5.10 to 7.3) by a pointer to a match table whose neighbours are what
that structure has there; an early table (`OF_DECLARE`, include/asm-generic/vmlinux.lds.h OF_TABLE) by an
entry that every arm64 kernel has in it.

Limits: the bus of a driver is not given, because the structure around it has no beginning without a symbol;
i2c and spi drivers without a devicetree table are not found.
"""

from __future__ import annotations

import re
import sys
from array import array
from collections.abc import Iterator
from functools import cached_property

from attrs import frozen

from bootwright.formats.kernel.kallsyms import Symbols
from bootwright.formats.kernel.match_tables import (
    I2C_STRIDE,
    OF_STRIDE,
    Effort,
    OfId,
    PciId,
    amba_table,
    c_string,
    name_table,
    of_table,
    pci_table,
)

_OF = 5
"""Words from the start of `struct device_driver` to `of_match_table`: name, bus, owner, mod_name, flags."""
_DRIVER_WORDS = (18, 19)
"""Words of `struct device_driver`: 18 up to 6.16 at least, 19 in 7.3."""
_AMBA_ID = 3
"""Words from the end of the driver in a `struct amba_driver` to its id_table: probe, remove, shutdown."""
_FLAGS = frozenset(suppress | probe << 32 for suppress in (0, 1) for probe in (0, 1, 2))
"""`suppress_bind_attrs` and `probe_type`, as one word."""
_BEFORE = (5, 6)
"""Words of a `struct platform_driver` before the driver: probe, remove, shutdown, suspend, resume; and
remove_new, from 6.3 (and stable releases of 6.1) to 6.10."""
_ANCHORS = {
    "clk": (b"fixed-clock",),
    "irqchip": (b"arm,gic-v3", b"arm,gic-400", b"arm,cortex-a15-gic"),
    "timer": (b"arm,armv8-timer",),
    "reservedmem": (b"shared-dma-pool", b"restricted-dma-pool"),
}
"""Kind of an early table → compatibles of which arm64's Kconfig has at least one in it."""
_MOST_ENTRIES = 4096
_ENTRY = re.compile(rb"(?<=\0{64})[0-9A-Za-z][!-~]{0,120},[!-~]{1,120}\0")


@frozen
class Shape:
    """A driver's structure as it was found."""

    name: str
    address: int
    """Of the `struct device_driver`; of a PCI driver, of its name."""
    of: tuple[OfId, ...] = ()
    ids: tuple[str, ...] = ()
    pci: tuple[PciId, ...] = ()
    amba: tuple[tuple[int, int], ...] = ()
    functions: tuple[int, ...] = ()
    """Addresses of its functions."""
    table: int = 0
    """Address of its devicetree match table; 0 where it has none."""


class Scan:
    """One Image, its pointers looked at once."""

    def __init__(self, image: bytes, symbols: Symbols, where: str) -> None:
        self._image = image
        self._base = symbols.base
        self._effort = Effort(where)
        self._functions = {a for a, kind, _ in symbols if kind in "tTW"}
        self._inits = [a for a, _, name in symbols if name == "_sinittext"]
        words = array("Q", image[: len(image) & ~7])
        if sys.byteorder == "big":
            words.byteswap()
        self._words = words
        self._tables: dict[int, tuple[OfId, ...] | None] = {}

    @cached_property
    def drivers(self) -> tuple[Shape, ...]:
        """Drivers with a devicetree, PCI or AMBA table."""
        words, base, end = self._words, self._base, self._base + len(self._image)
        pointers = [i for i in self._with_high_byte(base >> 56, end >> 56) if base < words[i] < end]
        starts = [index - _OF for index in pointers if self._is_of_driver(index)]
        # Nearly every driver has a probe function, and it is the first word of the structure.
        probes = {n: sum(words[start - n] in self._functions for start in starts) for n in _BEFORE}
        before = max(_BEFORE, key=lambda number: probes[number])
        shapes = [self._shape(start, before) for start in starts]
        for index in pointers:
            shape = self._by_pci(index) or self._by_amba(index)
            if shape is not None:
                shapes.append(shape)
        return tuple(shapes)

    def _with_high_byte(self, first: int, last: int) -> Iterator[int]:
        """Places of the words that begin with one of these bytes; the many others are skipped at once."""
        form = re.compile(b"[%s-%s]" % (re.escape(bytes([first])), re.escape(bytes([last]))))
        for match in form.finditer(self._image[7 : 8 * len(self._words) : 8]):
            yield match.start()

    def _is_of_driver(self, index: int) -> bool:
        words, start = self._words, index - _OF
        if start < max(_BEFORE) or words[start + 2] or words[start + 3] or words[start + 4] not in _FLAGS:
            return False
        return bool(self._string(words[start]) and self._of(words[index]))

    def _shape(self, start: int, before: int) -> Shape:
        words = self._words
        ids: tuple[str, ...] = ()
        for size in _DRIVER_WORDS:
            after = words[start + size] - self._base if start + size < len(words) else 0
            if 0 < after < len(self._image):
                ids = ids or name_table(self._image, after, stride=I2C_STRIDE) or ()
        around = words[start - before : start + min(_DRIVER_WORDS)]
        return Shape(
            self._string(words[start]) or "",
            self._base + 8 * start,
            of=self._of(words[start + _OF]) or (),
            table=words[start + _OF],
            ids=ids,
            functions=self._code(around),
        )

    def _by_pci(self, index: int) -> Shape | None:
        """`struct pci_driver`: name, id_table, probe, …"""
        words = self._words
        if index == 0 or index + 1 >= len(words) or words[index + 1] not in self._functions:
            return None
        name = self._string(words[index - 1])
        table = pci_table(self._image, words[index] - self._base) if name else None
        if not name or not table:
            return None
        return Shape(
            name, self._base + 8 * (index - 1), pci=table, functions=self._code(words[index + 1 : index + 8])
        )

    def _by_amba(self, index: int) -> Shape | None:
        words = self._words
        for size in _DRIVER_WORDS:
            start = index - size - _AMBA_ID
            if start < 0 or words[start + size] not in self._functions or words[start + 2]:
                continue
            name = self._string(words[start])
            table = amba_table(self._image, words[index] - self._base) if name else None
            if name and table:
                return Shape(
                    name, self._base + 8 * start, amba=table, functions=self._code(words[start:index])
                )
        return None

    def _code(self, words: array[int]) -> tuple[int, ...]:
        return tuple(word for word in words if word in self._functions)

    def _string(self, address: int) -> str | None:
        at = address - self._base
        text = c_string(self._image, at) if 0 < at < len(self._image) else None
        return text if text and "/" not in text else None

    def _of(self, address: int) -> tuple[OfId, ...] | None:
        if address not in self._tables:
            at = address - self._base
            self._tables[address] = None if at & 3 else of_table(self._image, at, self._effort)
        return self._tables[address]

    @cached_property
    def early(self) -> tuple[tuple[str, int, OfId], ...]:
        """(kind, place in the Image, entry) of the early tables' entries."""
        entries: list[tuple[str, int, OfId]] = []
        for kind, anchors in _ANCHORS.items():
            start = next(filter(None, (self._early_place(anchor, kind) for anchor in anchors)), None)
            if start is not None:
                entries.extend((kind, at, entry) for at, entry in self._early_table(start, kind))
        return tuple(entries)

    def _early_place(self, compatible: bytes, kind: str) -> int | None:
        """Where the entry with this compatible begins whose data is what an early table's is."""
        at = -1
        for _ in range(_MOST_ENTRIES):
            at = self._image.find(b"\0" + compatible + b"\0", at + 1)
            if at < 0:
                break
            if at >= 63 and self._early_entry(at - 63, kind) is not None:
                return at - 63
        return None

    def _early_entry(self, at: int, kind: str) -> OfId | None:
        data = self._image[at : at + OF_STRIDE] if at >= 0 else b""
        pointer = int.from_bytes(data[192:], "little")
        # Reserved memory's is a function up to 7.2, and a structure of them in 7.3.
        whole = kind == "reservedmem" and self._base < pointer < self._base + len(self._image)
        if len(data) < OF_STRIDE or not (whole or pointer in self._functions):
            return None
        entry = of_table(data + bytes(OF_STRIDE), 0)
        return entry[0] if entry and entry[0].compatible else None

    def _early_table(self, anchor: int, kind: str) -> Iterator[tuple[int, OfId]]:
        at = anchor
        for _ in range(_MOST_ENTRIES):
            if self._early_entry(at - OF_STRIDE, kind) is None:
                break
            at -= OF_STRIDE
        for _ in range(_MOST_ENTRIES):
            entry = self._early_entry(at, kind)
            if entry is None:
                return
            yield at, entry
            at += OF_STRIDE

    def of_initcalls(self) -> Iterator[OfId]:
        """Entries of tables in memory that is freed after boot, and that no driver has."""
        if not self._inits:
            return
        taken = {address - self._base for address in self._tables} | {at for _, at, _ in self.early}
        left = _MOST_ENTRIES
        at = self._inits[0] - self._base
        while left > 0 and (match := _ENTRY.search(self._image, at)) is not None:
            at, start = match.end(), match.start() - 64
            if start % 4 or start in taken:
                continue
            table = of_table(self._image, start, self._effort) or ()
            left -= len(table)
            yield from (entry for entry in table if entry.compatible)
            at = max(at, start + OF_STRIDE * len(table))
