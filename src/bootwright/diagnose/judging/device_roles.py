"""What a device is for, by where its driver's source lies: `data/device-roles/*.toml`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from typing import Final

from attrs import evolve, field, frozen

from bootwright.diagnose.reading.expressions import PATTERNS
from bootwright.diagnose.reading.patterns import holds
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import LONE, STEM, key

_NAMED_WITHIN: Final = 80
"""Bytes of a message that a driver and its device are named in."""


@frozen(kw_only=True)
class DeviceRole:
    """A table `[[role]]`."""

    name: str
    folders: tuple[str, ...] = field(metadata=LONE)
    """Source folders, or modules' places, below the kernel's."""
    devices: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """Names of devices, for drivers that are in no kernel whose formats are known."""
    works: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What shows that a device of this role works."""
    made: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What shows that a driver made something of a device of this role for programs to use."""
    would_show: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What shows that the log would tell of anything that was made."""
    given_up: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What its driver says of one in which it finds nothing to use, in words that are none of an error."""
    unanswered: tuple[re.Pattern[bytes], ...] | None = field(default=None, metadata=PATTERNS)
    """Of its errors only these count, and those of all such roles: the device does not do what it is told.

    None: it is no such role.
    """
    supports: bool = False
    """A table `[[support]]`: it is none of what a machine is there for, and others hang on it."""


@frozen(kw_only=True)
class DeviceRoles:
    """`device-roles/NAME.toml`."""

    name: str = field(default="", metadata=STEM)
    source: str
    apart: tuple[str, ...] = field(default=(), metadata=LONE)
    """Source folders of what no disk and no root depends on."""
    extras: tuple[str, ...] = field(default=(), metadata=LONE)
    """Source folders of what a machine does its work without."""
    extra_names: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """Drivers of such devices that are in no kernel whose formats are known."""
    apart_names: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """Names that devices go by of what no disk and no root depends on."""
    unanswered: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What every role with `unanswered` has in it."""
    lost: tuple[re.Pattern[bytes], ...] = field(default=(), metadata=PATTERNS)
    """What a driver says of a device of such a role that it has lost: once is enough."""
    roles: tuple[DeviceRole, ...] = field(metadata=key("role"))
    supports: tuple[DeviceRole, ...] = field(default=(), metadata=key("support"))
    """What others hang on, and what keeps a machine well, and is none of what it is there for."""


DEVICE_ROLES = Kind("device-roles", "roles of devices", DeviceRoles)


@cache
def device_roles() -> tuple[DeviceRole, ...]:
    """All of them. Raises `Malformed` for a file that is not right."""
    return tuple(_whole(file, role) for file in DEVICE_ROLES.all().values() for role in file.roles)


@cache
def _supports() -> tuple[DeviceRole, ...]:
    return tuple(
        evolve(_whole(file, role), supports=True)
        for file in DEVICE_ROLES.all().values()
        for role in file.supports
    )


def _whole(file: DeviceRoles, role: DeviceRole) -> DeviceRole:
    if role.unanswered is None:
        return role
    return evolve(role, unanswered=(*file.unanswered, *role.unanswered))


def keeps_no_root_away(files: Iterable[str]) -> bool:
    """Whether all of these source files, one at least, are of what no disk and no root depends on."""
    return _all_below(files, (folder for file in DEVICE_ROLES.all().values() for folder in file.apart))


def is_extra_driver(files: Iterable[str]) -> bool:
    """Whether all of these source files, one at least, are of what a machine does its work without."""
    return _all_below(files, (folder for file in DEVICE_ROLES.all().values() for folder in file.extras))


def is_extra(driver: bytes) -> bool:
    """Whether a driver is by its name of what a machine does its work without."""
    return any(
        name.search(driver) is not None for file in DEVICE_ROLES.all().values() for name in file.extra_names
    )


def _all_below(files: Iterable[str], folders: Iterable[str]) -> bool:
    below = tuple(f"{folder}/" for folder in folders)
    places = list(files)
    return bool(places) and all(file.startswith(below) for file in places)


def is_apart(device: bytes) -> bool:
    """Whether a device is by its name of what no disk and no root depends on."""
    return any(
        name.search(device) is not None for file in DEVICE_ROLES.all().values() for name in file.apart_names
    )


@cache
def _unanswered() -> Callable[[bytes], bool]:
    of_roles = (pattern for role in (*device_roles(), *_supports()) for pattern in role.unanswered or ())
    return _any_of((*of_roles, *(pattern for file in DEVICE_ROLES.all().values() for pattern in file.lost)))


@cache
def _lost() -> Callable[[bytes], bool]:
    return _any_of(pattern for file in DEVICE_ROLES.all().values() for pattern in file.lost)


def may_be_lost(text: bytes) -> bool:
    """Whether a message may say of a device of some role that it is lost to its driver."""
    return _lost()(text)


@cache
def _signs() -> Callable[[bytes], bool]:
    return _any_of(
        pattern for role in device_roles() for pattern in (*role.works, *role.made, *role.would_show)
    )


def _any_of(patterns: Iterable[re.Pattern[bytes]]) -> Callable[[bytes], bool]:
    """Whether a text matches one of them, all looked for at once; each keeps its own flags."""
    texts = dict.fromkeys(pattern.pattern for pattern in patterns)
    parts = [re.sub(rb"\A\(\?([a-z]+)\)(.*)", rb"(?\1:\2)", text, flags=re.DOTALL) for text in texts]
    return holds(b"|".join(b"(?:" + part + b")" for part in parts))


@cache
def _given_up() -> Callable[[bytes], bool]:
    return _any_of(pattern for role in device_roles() for pattern in role.given_up)


def is_given_up(text: bytes) -> bool:
    """Whether a driver says with a message that it finds nothing to use in its device."""
    return _given_up()(text)


def is_sign(text: bytes) -> bool:
    """Whether a message shows of some role that a device of it works or is made, or would show it."""
    return _signs()(text)


@lru_cache(maxsize=4)
def may_be_unanswered(text: bytes) -> bool:
    """Whether a message may say of a device of some role that it does not do what it is told."""
    return _unanswered()(text)


def role_of(files: Iterable[str]) -> DeviceRole | None:
    """The role that every one of these source files has; None where they differ or have none."""
    return _common(files, device_roles())


def support_of(files: Iterable[str], device: bytes) -> DeviceRole | None:
    """What a device without a role is to others: by its driver's source files, or by its name."""
    return _common(files, _supports()) or _named(device, _supports())


def _common(files: Iterable[str], roles: Sequence[DeviceRole]) -> DeviceRole | None:
    common = {_role(file, roles) for file in files}
    return common.pop() if len(common) == 1 else None


def role_of_name(device: bytes) -> DeviceRole | None:
    """The role that a device has by its name alone."""
    return _named(device, device_roles())


def _named(device: bytes, roles: Iterable[DeviceRole]) -> DeviceRole | None:
    return next(
        (role for role in roles if any(name.search(device) is not None for name in role.devices)), None
    )


def role_in(message: bytes) -> DeviceRole | None:
    """The role of the device that a message, without its stamps, names in its beginning."""
    return role_of_name(message[:_NAMED_WITHIN])


def _role(file: str, roles: Iterable[DeviceRole]) -> DeviceRole | None:
    return next(
        (role for role in roles if any(file.startswith(f"{folder}/") for folder in role.folders)), None
    )
