"""Whether a line is the kernel's, and whose: by the formats of the kernels that ship as a table.

The table is read when it is asked for the first time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property, lru_cache
from typing import Final

from attrs import frozen

from bootwright.formats.messages.model import Call, Format, Owner
from bootwright.formats.messages.printf import Piece, holds_text, letters, pieces, tells
from bootwright.formats.messages.table import MessageTable
from bootwright.foundation import places
from bootwright.foundation.errors import Missing

_DEVICE: Final = re.compile(
    rb"(?P<driver>[\w.+-]{1,64}) (?P<device>[\w.:@,+-]{0,63}[\w.@,+-])"
    rb"(?: (?P<interface>[\w.@-]{1,15})(?: \([\w -]{1,40}\))?)?: \s*(?=\S)"
)
"""What dev_printk_emit (drivers/base/core.c) and __netdev_printk (net/core/dev.c, Linux 6.12) put first."""
_INTERFACE: Final = re.compile(rb"(?P<interface>[\w.@-]{1,15})(?: \([\w -]{1,40}\))?: \s*(?=\S)")
_WORD: Final = re.compile(rb"[A-Z][A-Za-z]+\Z")
"""What an interface is hardly ever called."""
_OF_HARDWARE: Final = ("drivers/net/ethernet/", "drivers/net/wireless/", "drivers/net/usb/")
"""Drivers of interfaces with a parent, of which __netdev_printk puts the driver and device first, always."""
_ADDRESS: Final = re.compile(
    rb"[\w.+-]{1,64} (?:"
    rb"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"  # PCI: pci_setup_device (drivers/pci/probe.c, Linux 6.12)
    rb"|pci[0-9a-f]{4}:[0-9a-f]{2}|[0-9a-f]{4}:[0-9a-f]{2}"  # a host bridge, a bus
    rb"|(?:usb\d{1,3}|\d{1,3}-\d{1,3}(?:\.\d{1,3}){0,6}(?::\d{1,3}\.\d{1,3})?)"  # usb_alloc_dev (core/usb.c)
    rb"|[0-9a-f]{3,16}\.[\w,+-]{1,63}"  # of_device_make_bus_id (drivers/of/device.c): ADDRESS.NODE
    rb"|[\w,+-]{1,63}\.(?:\d{1,3}\.auto|\d{1,3})"  # platform_device_add (drivers/base/platform.c)
    rb"|\d{1,3}-[0-9a-f]{4}"  # i2c_dev_set_name (drivers/i2c/i2c-core-base.c)
    rb"): "
)
"""A driver's name and a device's as the bus makes it from its address: no program begins lines so."""
_FEWEST_LETTERS: Final = 4
"""Of a driver's name that another one begins with."""
_LONGEST: Final = 1024
"""Bytes of a line; the kernel's own buffer for one message has as many (PRINTKRB_RECORD_MAX)."""


@frozen
class Speaker:
    """Who can have printed a line, by every format that fits it best."""

    formats: tuple[Format, ...]
    driver: str = ""
    """Of a line with a device before the message: the driver's (or else the bus's or class's) name."""
    device: str = ""
    """The device's name, such as `1f00100000.ethernet`."""
    interface: str = ""
    """The network interface's name, such as `eth0`."""

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Modules and built-in files that hold such a format."""
        return tuple(dict.fromkeys(owner for entry in self.formats for owner in entry.owners))

    @cached_property
    def _named_owners(self) -> tuple[Owner, ...]:
        driver = _plain(self.driver)
        return tuple(
            owner for owner in self.owners if driver and driver in {_plain(part) for part in _parts(owner)}
        )

    @property
    def names_owner(self) -> bool:
        """Whether the driver's name in the line points to one of `owners`, or begins as its name does."""
        driver = _plain(self.driver)
        return bool(self._named_owners) or any(
            _begins_alike(driver, _plain(part)) for owner in self.owners for part in _parts(owner)
        )

    @property
    def likely_owners(self) -> tuple[Owner, ...]:
        """Those of `owners` that the driver's name in the line points to; all where it points to none."""
        return self._named_owners or self.owners

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels it can have, gravest (lowest) first; empty where the bytes do not tell."""
        return tuple(sorted({entry.level for entry in self.formats if entry.level is not None}))


def _begins_alike(name: str, other: str) -> bool:
    """Whether one of two names is the other and more words: `etnaviv`, `etnaviv_gpu`."""
    shorter, longer = sorted((name, other), key=len)
    return len(shorter) >= _FEWEST_LETTERS and longer.startswith(f"{shorter}_")


def _plain(name: str) -> str:
    return name.replace("-", "_").lower()


def _parts(owner: Owner) -> tuple[str, ...]:
    """Names by which an owner may go: its module, its source file without ending, the folders it is in."""
    return (owner.module, owner.file.rpartition("/")[2].removesuffix(".c"), *owner.file.split("/")[:-1])


def speaker(text: bytes, table: MessageTable | None = None) -> Speaker | None:
    """Who printed a line (without its stamps); None where no known format of a kernel fits.

    `table` is a certain kernel's; without it, that of the kernels that ship.
    """
    if table is not None:
        return _speaker(text, table)
    return _shipped_speaker(text)


def is_of_a_device(text: bytes) -> bool:
    """Whether a line begins with a driver's name and a device's address on its bus, as the kernel's do."""
    return _ADDRESS.match(text) is not None


def kernel_formats() -> Iterator[Format]:
    """Every format of the kernels that ship."""
    return shipped().formats()


@cache
def kernel_modules() -> Mapping[str, frozenset[str]]:
    """Modules of the kernels that ship, as in /proc/modules → their source files."""
    return shipped().modules()


@cache
def shipped() -> MessageTable:
    """The table of the kernels that ship, read once."""
    # Imported with the table: most logs are diagnosed without it.
    from bootwright.formats.messages.table_file import unpack_table

    path = places.DATA / "messages" / "debian.table"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="install bootwright again") from error
    return unpack_table(data, str(path))


@lru_cache(maxsize=4096)
def _shipped_speaker(text: bytes) -> Speaker | None:
    return _speaker(text, shipped())


def _speaker(text: bytes, table: MessageTable) -> Speaker | None:
    text = text[:_LONGEST].strip()
    device = _DEVICE.match(text)
    whole = tuple(
        entry
        for entry in table.printing(text)
        if entry.call is Call.PRINTK and (device is None or _may_begin(entry, device["driver"].decode()))
    )
    for prefix, calls in ((_DEVICE, {Call.DEVICE, Call.NETWORK}), (_INTERFACE, {Call.NETWORK})):
        match = prefix.match(text)
        if match is None:
            continue
        formats = tuple(
            entry
            for entry in table.printing(text[match.end() :])
            if entry.call in calls and (prefix is _DEVICE or _of_interface(match[1], entry))
        )
        if formats and _letters(formats) >= _letters(whole):
            groups = {name: value.decode() for name, value in match.groupdict().items() if value}
            return Speaker(formats, **groups)
    return Speaker(whole) if whole else None


def _may_begin(entry: Format, driver: str) -> bool:
    """Whether a line that begins with the names of a driver (or bus) and a device can be a format's.

    One that begins with any text fits behind any names: then the owner's is asked for.
    """
    begins_with_any = pieces(entry.text.strip().encode())[:1] == (Piece(b"", None),)
    return not begins_with_any or Speaker((entry,), driver).names_owner


def _of_interface(name: bytes, entry: Format) -> bool:
    """Whether a line can be a format's behind an interface alone, which may be any word: `BTRFS`, `Error`."""
    if all(owner.file.startswith(_OF_HARDWARE) for owner in entry.owners):
        return False
    text = entry.text.encode()
    return tells(text) and (_WORD.match(name) is None or not holds_text(text))


def _letters(formats: tuple[Format, ...]) -> int:
    """How much of a line the formats spell out: `ARM FF-A: …` in full says more than `%s returned %pe`."""
    return max((letters(entry.text.encode()) for entry in formats), default=0)
