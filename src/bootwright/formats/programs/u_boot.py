"""U-Boot for arm64, as firmware and QEMU start it (`u-boot.bin`): its version, and the drivers it has.

Layout: arch/arm/cpu/armv8/start.S (`_TEXT_BASE` at 8, `_end_ofs` at 16, `_bss_start_ofs` at 24; U-Boot
2023.01 to 2025.01). A driver is a `struct driver` of the linker list (include/dm/device.h): name, uclass id,
and its `struct udevice_id` table (compatible, data), ended by zeros. Pointers are addresses as linked: the
build writes the relocations into the file (tools/relocate-rela.c).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from attrs import frozen

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_WORDS = struct.Struct("<4Q")
_VERSION = re.compile(rb"U-Boot (\d{4}\.\d{2}[\w.+~-]{0,60})(?: \([^)\0]{1,80}\))?[^\0\n]{0,120}\0")
_COMPATIBLE = re.compile(rb"[A-Za-z0-9][\w.,+-]{2,80}\0")
_NAME = re.compile(rb"[\w.,:@+ -]{1,60}\0")
_MOST = 16 << 20
_MOST_TABLE = 400
_MOST_IDS = 1024
"""Uclass ids (include/dm/uclass-id.h); about 150 in 2025."""
_ASKED = (b"nvme", b"xhci_pci", b"pci_generic_ecam")


@frozen
class Driver:
    """A driver that is built into it."""

    name: str
    """As U-Boot's `dm drivers` prints it."""
    compatibles: tuple[str, ...]


@frozen
class UBoot:
    """What a U-Boot says of itself."""

    version: str
    drivers: tuple[Driver, ...]
    """Those that are bound by the devicetree, by their tables."""
    names: frozenset[str]
    """Names of the drivers that are bound by a bus or by name, as far as they are asked for here (`nvme`)."""

    def drives(self, compatible: str) -> bool:
        """Whether a driver is for that compatible."""
        return any(compatible in driver.compatibles for driver in self.drivers)


def is_u_boot(source: ByteSource, head: bytes) -> bool:
    """Whether bytes begin as U-Boot for arm64 does, told with their first 512."""
    if len(head) < _WORDS.size or head[56:60] == b"ARM\x64":
        return False
    _, base, end, bss = _WORDS.unpack_from(head)
    size = source.size
    if not (65536 <= bss <= end <= _MOST and base % 4096 == 0 and base < 1 << 40 and size <= _MOST):
        return False
    # What comes behind the code is a devicetree of its own at most: BSS is not in the file.
    return bss <= size + 65536 and _VERSION.search(source.read(0, size)) is not None


def version_in(source: ByteSource) -> str:
    """The version in what may be a U-Boot; empty where there is none."""
    version = _VERSION.search(source.read(0, min(source.size, _MOST)))
    return version[1].decode("ascii", "replace") if version is not None else ""


def read_u_boot(source: ByteSource) -> UBoot:
    """Raises `Malformed` for what is no U-Boot for arm64."""
    data = source.read(0, min(source.size, _MOST))
    version = _VERSION.search(data)
    if len(data) < _WORDS.size or version is None:
        raise Malformed(source.name, 0, "U-Boot for arm64 with its version", "something else")
    base = _WORDS.unpack_from(data)[1]
    words = struct.unpack_from(f"<{len(data) // 8}Q", data)
    drivers = tuple(dict.fromkeys(_drivers(data, words, base)))
    return UBoot(version[1].decode("ascii", "replace"), drivers, frozenset(_named(data, words, base)))


def _drivers(data: bytes, words: tuple[int, ...], base: int) -> Iterator[Driver]:
    """Each driver with a table: the address of a name, an id, the address of the table.

    The linker lets a text that ends another one share its bytes, so that a name may begin within one.
    """
    for at in range(2, len(words)):
        table = words[at] - base
        if not 0 < words[at - 1] < _MOST_IDS or not 0 < table < len(data) or table % 8:
            continue
        name = _text(data, words[at - 2] - base, _NAME)
        compatibles = tuple(_table(data, words, base, table // 8)) if name else ()
        if name and compatibles:
            yield Driver(name, compatibles)


def _table(data: bytes, words: tuple[int, ...], base: int, at: int) -> list[str]:
    """The compatibles of the table at a word; none for what does not end as a table does."""
    texts: list[str] = []
    while at < len(words) and words[at] and len(texts) < _MOST_TABLE:
        text = _text(data, words[at] - base, _COMPATIBLE)
        if not text:
            return []
        texts.append(text)
        at += 2
    return texts if at < len(words) else []


def _text(data: bytes, at: int, pattern: re.Pattern[bytes]) -> str:
    match = pattern.match(data, at) if 0 < at < len(data) else None
    return match[0][:-1].decode() if match is not None else ""


def _named(data: bytes, words: tuple[int, ...], base: int) -> Iterator[str]:
    """Those of `_ASKED` to whose name some driver points, an id behind it: the name may end a longer text."""
    places = {match.start() + base: name for name in _ASKED for match in re.finditer(name + b"\0", data)}
    for at, pointer in enumerate(words[:-1]):
        if pointer in places and 0 < words[at + 1] < _MOST_IDS:
            yield places[pointer].decode()
