"""Conditions in knowledge files, as types: the keys that a file may have, and what each asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from attrs import field, frozen

from bootwright.formats.programs.eeprom import MODES
from bootwright.foundation.structure import LONE, key, written
from bootwright.foundation.versions import Version
from bootwright.kernels.configuration.security_modules import EXCLUSIVE

WrittenValues = Mapping[str, str | tuple[str, ...]]


def _values(given: WrittenValues) -> Mapping[str, tuple[str, ...]]:
    return {name: (value,) if isinstance(value, str) else value for name, value in given.items()}


def _check_versions(*texts: str | None) -> None:
    for text in texts:
        if text is not None and Version.parse(text) is None:
            raise ValueError('a version, such as "6.12"', text)


@frozen
class FileSystemCondition:
    """A file system whose size stands in a relation to the kernel's page size."""

    type: tuple[str, ...] = field(metadata=LONE)
    size: Literal["block_size", "sector_size", "page_size"]
    than_page: Literal["above", "below", "other", "any"]
    format_version: int | None = None


@frozen
class SystemCondition:
    """An operating system, from `since` up to, but not with, `before`."""

    names: tuple[str, ...] = field(metadata={**key("name"), **LONE})
    since: str | None = None
    before: str | None = None

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for what is no version."""
        _check_versions(self.since, self.before)


@frozen
class Condition:
    """All that is given must hold; nothing given holds always."""

    compatible: str | None = None
    """Such an enabled node exists; likewise the three that follow."""
    node_name: str | None = None
    symbol: str | None = None
    alias: str | None = None
    absent: Condition | None = None
    """The inner condition does not hold."""
    any_of: tuple[Condition, ...] | None = field(default=None, metadata=key("any"))
    """One of them holds."""
    options: Mapping[str, tuple[str, ...]] = field(
        factory=dict, metadata={**key("option"), **written(WrittenValues, _values)}
    )
    """Each option (`CONFIG_X`) has one of the values; `n` is off."""
    arguments: Mapping[str, tuple[str, ...]] = field(
        factory=dict, metadata={**key("argument"), **written(WrittenValues, _values)}
    )
    """The kernel's last argument of that name has one of the values, or lists one of them with commas."""
    security_module: str | None = None
    """Of the security modules that exclude one another, that one runs: `selinux`, `apparmor`, `smack`."""
    kernel_since: str | None = None
    kernel_before: str | None = None
    kernel_release: str | None = None
    """What `uname -r` says, with `*` for any text: `*-talos` is one that Talos built."""
    stepping: str | None = None
    os: SystemCondition | None = None
    page_size: int | None = None
    """The kernel's, in bytes."""
    page_size_above: int | None = None
    filesystem: FileSystemCondition | None = None
    loaded_before_init: str | None = None
    """The module of that name is loaded in front of the initramfs's own init, which loads none."""
    started_by_efi: bool | None = None
    """The kernel is started as an EFI program, and so finds EFI's tables."""
    u_boot_has: str | None = None
    """The U-Boot that the firmware starts was read, and has a driver for that compatible; `u_boot_lacks`: has
    none."""
    u_boot_lacks: str | None = None
    eeprom_before: str | None = None
    """The board's EEPROM is known, and older than that day (`2024-10-10`)."""
    boot_order_lacks: str | None = None
    """The EEPROM's BOOT_ORDER is known, and does not try that: `sd`, `usb`, `nvme`, `network`, …"""
    partition_table: Literal["gpt", "dos"] | None = None
    """The disk image has that one."""
    firmware_lacks_devicetree: bool | None = None
    """The firmware reads a config.txt, and no DTB of the board is beside it."""
    config_txt: Mapping[str, str] | None = None
    """For this board it sets that."""
    driver: str | None = None
    """The kernel has a driver for that compatible; `built_in`, `module`: built in, or as a module."""
    built_in: str | None = None
    module: str | None = None

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for what is no version, and for a security module that excludes no other."""
        _check_versions(self.kernel_since, self.kernel_before)
        if self.eeprom_before is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", self.eeprom_before):
            raise ValueError("a day, such as 2024-10-10", self.eeprom_before)
        if self.boot_order_lacks is not None and self.boot_order_lacks not in MODES.values():
            raise ValueError(f"one of {', '.join(MODES.values())}", self.boot_order_lacks)
        if self.security_module is not None and self.security_module not in EXCLUSIVE:
            raise ValueError(f"one of {', '.join(sorted(EXCLUSIVE))}", self.security_module)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is given."""
        return self == ALWAYS

    def parts(self) -> Iterator[Condition]:
        """It and those inside it."""
        yield self
        for inner in (*([self.absent] if self.absent else ()), *(self.any_of or ())):
            yield from inner.parts()

    def systems(self) -> Iterator[str]:
        """The names of operating systems in it and in those inside it."""
        for part in self.parts():
            yield from part.os.names if part.os is not None else ()


ALWAYS = Condition()
"""The condition that always holds."""
