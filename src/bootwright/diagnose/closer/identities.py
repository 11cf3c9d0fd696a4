"""What a device is behind its address, by what the kernel said of it: `data/device-names/*.toml`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final

from attrs import field, frozen

from bootwright.diagnose.judging.device_roles import role_of, role_of_name
from bootwright.diagnose.messages.speaker import kernel_modules
from bootwright.diagnose.reading import prefix
from bootwright.diagnose.reading.expressions import PATTERNS
from bootwright.diagnose.reading.patterns import printable
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key

_MOST_LINES: Final = 400
"""Lines that name a device: what it is stands where it is found."""
_SHORTEST: Final = 4
"""Characters of an address; less stands in too many lines."""
_LONGEST: Final = 48
_FIRST_DOMAIN: Final = "0000:"
"""Of PCI, which some messages leave out."""


@frozen(kw_only=True)
class DeviceClass:
    """A table `[[class]]`."""

    begins: str
    """Hexadecimal digits of a PCI class code."""
    name: str


@frozen(kw_only=True)
class DeviceNames:
    """`device-names/NAME.toml`; the comments of the one that ships say what the groups of `forms` are."""

    name: str = field(default="", metadata=STEM)
    source: str
    forms: tuple[re.Pattern[bytes], ...] = field(metadata=PATTERNS)
    classes: tuple[DeviceClass, ...] = field(default=(), metadata=key("class"))


DEVICE_NAMES = Kind("device-names", "what messages tell of a device", DeviceNames)


@cache
def device_names() -> tuple[DeviceNames, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(DEVICE_NAMES.all().values())


def words_for(device: str, lines: Iterable[bytes]) -> tuple[str, ...]:
    """What the lines of a boot tell of a device: its driver, what that is for, and how it calls itself.

    Empty where they tell nothing, or only that there is such a device.
    """
    if len(device) < _SHORTEST:
        return ()
    facts: dict[str, str] = {}
    for name, value in _told(device, lines):
        facts.setdefault(name, value)
        if facts.keys() >= {"driver", "name"}:
            break
    driver = facts.get("driver", "")
    use = _use(driver) or _class(facts.get("class", ""))
    return tuple(filter(None, (driver, use, facts.get("name", ""))))


def _told(device: str, lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    wanted = {device.encode(), f"{_FIRST_DOMAIN}{device}".encode()}
    spelled = device.encode()
    number = 0
    for raw in lines:
        if spelled not in raw:
            continue
        number += 1
        if number > _MOST_LINES:
            return
        text = prefix.split(raw).text
        for file in device_names():
            for form in file.forms:
                match = form.search(text)
                if match is None or match["device"] not in wanted:
                    continue
                for name, value in match.groupdict().items():
                    if name != "device" and value and (name != "driver" or _is_driver(value)):
                        yield name, printable(value)[:_LONGEST]


@cache
def _is_driver(name: bytes) -> bool:
    return _module(name.decode("latin-1")) in kernel_modules() or role_of_name(name) is not None


def _module(driver: str) -> str:
    return driver.replace("-", "_")


def _use(driver: str) -> str:
    """What a driver's device is for; empty where that is not known, or its name says it."""
    if not driver:
        return ""
    role = role_of(kernel_modules().get(_module(driver), ())) or role_of_name(driver.encode())
    return role.name if role is not None and role.name not in driver else ""


def _class(code: str) -> str:
    """The class of a PCI device in words, by the first that fits."""
    return next(
        (
            entry.name
            for file in device_names()
            for entry in file.classes
            if code and code.startswith(entry.begins)
        ),
        "",
    )
