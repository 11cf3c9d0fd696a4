"""The boot EEPROM of a Raspberry Pi 4, 5 and their relatives: when it was made, and its settings.

An image (`pieeprom-….bin`) is a row of sections on multiples of 8 bytes: a mark and a length, big-endian;
one marked as a file has a name of 12 bytes and 4 more before its content (raspberrypi/rpi-eeprom,
rpi-eeprom-config, 2026-08). The date stands in the code as `BUILD_TIMESTAMP=`, seconds since 1970. What a
running board says is read as well: `vcgencmd bootloader_version` and `rpi-eeprom-config`.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType

from attrs import field, frozen

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Malformed

_SECTION = struct.Struct(">2L")
_MARK, _MASK, _FILE = 0x55AAF00F, 0xFFFFF00F, 0x55AAF11F
_PAD = 0x55AAFEEF
_BEFORE_CONTENT = 16
"""Bytes of a file's section before its content: 12 of its name, and 4."""
_CONFIG = "bootconf.txt"
_MOST = 4 << 20
_MOST_TEXT = 64 << 10
_MOST_SECTIONS = 1000
_STAMP = re.compile(rb"BUILD_TIMESTAMP=(\d{9,10})\b")
_TOLD = re.compile(r"^(?:timestamp (\d{9,10})|(\d{4})/(\d\d)/(\d\d) \d\d:\d\d:\d\d)\s*$", re.MULTILINE)
_KEY = re.compile(r"^\s*(BOOT_ORDER|BOOT_UART|PCIE_PROBE|POWER_OFF_ON_HALT)\s*=", re.MULTILINE)
MODES = {
    1: "sd",
    2: "network",
    3: "rpiboot",
    4: "usb",
    5: "bcm-usb",
    6: "nvme",
    7: "http",
    0xE: "stop",
    0xF: "restart",
}
"""BOOT_ORDER's digits, from the right: what is tried, in order (Raspberry Pi documentation, BOOT_ORDER)."""


@frozen
class Eeprom:
    """What is known of a board's EEPROM."""

    made: date | None
    """None where it does not say."""
    settings: Mapping[str, str] | None
    """Of its configuration for every board (`[all]`, and before any filter); None where that is not known."""
    filtered: tuple[str, ...] = field(default=())
    """Filters of its configuration whose lines are not among the settings."""

    def joined(self, other: Eeprom | None) -> Eeprom:
        """With what `other` says where this one is silent."""
        if other is None:
            return self
        settings = self.settings if self.settings is not None else other.settings
        return Eeprom(self.made or other.made, settings, self.filtered or other.filtered)

    @property
    def boot_order(self) -> tuple[str, ...] | None:
        """What is tried, in order; None where BOOT_ORDER is not known."""
        text = (self.settings or {}).get("BOOT_ORDER", "")
        if not re.fullmatch(r"0[xX][0-9A-Fa-f]{1,8}", text):
            return None
        digits = [int(digit, 16) for digit in reversed(text[2:])]
        return tuple(MODES.get(digit, f"{digit:x}") for digit in digits)


def is_eeprom(source: ByteSource, head: bytes) -> bool:
    """Whether bytes begin as an image of an EEPROM does."""
    return len(head) >= 8 and _SECTION.unpack_from(head)[0] == _MARK and source.size <= _MOST


def read_eeprom(source: ByteSource) -> Eeprom:
    """Raises `Malformed` for an image whose sections do not follow each other."""
    data = source.read(0, min(source.size, _MOST))
    files = dict(_files(data, source.name))
    stamp = _STAMP.search(data)
    config = files.get(_CONFIG)
    settings, filtered = _settings(config.decode("utf-8", "replace")) if config is not None else (None, ())
    made = _date(int(stamp[1])) if stamp is not None else None
    return Eeprom(made, settings, filtered)


def read_told(text: str) -> Eeprom | None:
    """What `vcgencmd bootloader_version` or `rpi-eeprom-config` printed; None for anything else."""
    text = text[:_MOST_TEXT]
    match = _TOLD.search(text)
    has_settings = _KEY.search(text) is not None
    if not has_settings and (match is None or "version" not in text):
        return None
    settings, filtered = _settings(text) if has_settings else (None, ())
    made = None
    if match is not None:
        made = _date(int(match[1])) if match[1] else _day(*map(int, match.groups()[1:]))
    return Eeprom(made, settings, filtered) if made is not None or settings is not None else None


def _files(data: bytes, where: str) -> list[tuple[str, bytes]]:
    files: list[tuple[str, bytes]] = []
    at = 0
    for _ in range(_MOST_SECTIONS):
        if at + _SECTION.size > len(data):
            break
        mark, length = _SECTION.unpack_from(data, at)
        if mark in {0, 0xFFFFFFFF}:
            break
        if mark & _MASK != _MARK and mark != _PAD:
            raise Malformed(where, at, "the mark of a section (55aaf..f)", f"{mark:08x}")
        if at + _SECTION.size + length > len(data):
            raise Malformed(where, at + 4, "a section inside the image", f"{length} bytes")
        if mark == _FILE and length >= _BEFORE_CONTENT:
            start = at + _SECTION.size
            name = data[start : start + 12].rstrip(b"\0").decode("ascii", "replace")
            files.append((name, data[start + _BEFORE_CONTENT : start + length]))
        at = at + _SECTION.size + length + 7 & ~7
    return files


def _settings(text: str) -> tuple[Mapping[str, str], tuple[str, ...]]:
    settings: dict[str, str] = {}
    filters: list[str] = []
    section = "all"
    for line in text.splitlines():
        words = line.partition("#")[0].strip()
        if words.startswith("[") and words.endswith("]"):
            section = words[1:-1].strip().lower()
            continue
        name, equals, value = words.partition("=")
        if not equals:
            continue
        if section == "all":
            settings[name.strip()] = value.strip()
        elif section not in filters:
            filters.append(section)
    return MappingProxyType(settings), tuple(filters)


def _date(seconds: int) -> date:
    return datetime.fromtimestamp(seconds, UTC).date()


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
