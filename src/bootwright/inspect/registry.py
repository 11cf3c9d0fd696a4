"""All formats: those of `bootwright.inspect.formats`, and those of packages that offer more.

A package adds formats by entry points of the group `bootwright.formats`, each naming a `Format`.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import Refused
from bootwright.inspect import formats
from bootwright.inspect.format import Format

GROUP = "bootwright.formats"
_HEAD = 512


@cache
def own_formats() -> tuple[Format, ...]:
    """The formats that come with bootwright."""
    modules = pkgutil.walk_packages(formats.__path__, f"{formats.__name__}.")
    names = [module.name for module in modules if not module.ispkg]
    public = [name for name in names if not name.rpartition(".")[2].startswith("_")]
    return tuple(importlib.import_module(name).FORMAT for name in public)


@cache
def added_formats() -> tuple[Format, ...]:
    """The formats of installed packages; raises `Refused` for an entry point that names no format."""
    from importlib.metadata import entry_points  # slow to import; asked where no own format fits

    formats: list[Format] = []
    for entry in entry_points(group=GROUP):
        loaded = entry.load()
        if not isinstance(loaded, Format):
            raise Refused(
                f"entry point {entry.name} of {GROUP} ({entry.value}) is not a Format",
                hint="see docs/formats.md, or remove the package it belongs to",
            )
        formats.append(loaded)
    return tuple(formats)


def all_formats() -> tuple[Format, ...]:
    """Every format, by name."""
    return tuple(sorted((*own_formats(), *added_formats()), key=lambda known_format: known_format.name))


def format_of(source: ByteSource) -> Format | None:
    """The format of bytes, or None where none is recognised. Added formats are asked last."""
    if not source.size:
        return None
    head = source.read(0, min(_HEAD, source.size))
    return _matching(_by_order(), source, head) or _matching(added_formats(), source, head)


def _matching(candidates: tuple[Format, ...], source: ByteSource, head: bytes) -> Format | None:
    for candidate in candidates:
        if candidate.matches is not None and candidate.matches(source, head):
            return candidate
    return None


@cache
def _by_order() -> tuple[Format, ...]:
    return tuple(sorted(own_formats(), key=lambda known_format: known_format.order))


@cache
def _by_name() -> tuple[Format, ...]:
    return tuple(sorted(own_formats(), key=lambda known_format: known_format.name_order))


@cache
def text_format(role: str) -> Format | None:
    """The format of that name, where only a file's name tells it."""
    return next(
        (format_ for format_ in own_formats() if format_.name == role and format_.matches is None), None
    )


def alone(source: ByteSource) -> Format | None:
    """The format of a text that is given by itself, where neither its bytes nor its name tell it."""
    return next(
        (format_ for format_ in own_formats() if format_.alone is not None and format_.alone(source)), None
    )


@cache
def named(role: str) -> Format | None:
    """The format whose file names are those of a role."""
    return next((format_ for format_ in own_formats() if format_.name == role and format_.names), None)


def role_of(path: str) -> str | None:
    """What a file of that path would be, by its name alone."""
    for format_ in _by_name():
        if any(pattern.fullmatch(path) for pattern in format_.names):
            return format_.name
    return None
