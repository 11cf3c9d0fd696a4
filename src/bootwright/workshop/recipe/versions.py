"""The lines of a checkout that name the kernel's version: read, and given another."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Missing

_MOST_BYTES = 8 << 20


@frozen
class Checksums:
    """Of the tarball."""

    sha256: str
    sha512: str


def checksums(path: Path) -> Checksums:
    """Both, in one reading; raises `Missing`."""
    first, second = hashlib.sha256(), hashlib.sha512()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                first.update(block)
                second.update(block)
    except OSError as error:
        raise Missing(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    return Checksums(first.hexdigest(), second.hexdigest())


def read_text(checkout: Path, name: str, what: str) -> str:
    """A file of a checkout; raises `Missing` where it has none, `Malformed` where it is no text."""
    path = checkout / name
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise Missing(f"{checkout} has no {name}", hint=f"give a checkout of {what}") from error
    if len(data) > _MOST_BYTES:
        raise Malformed(str(path), _MOST_BYTES, f"a text below {_MOST_BYTES >> 20} MiB", "more")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Malformed(str(path), error.start, "UTF-8", f"byte {data[error.start]:#x}") from error


def variable(text: str, name: str) -> str | None:
    """The value of `name: value`, as the file of versions has it."""
    match = re.search(rf"^[ \t]*{re.escape(name)}:[ \t]*[\"']?([^\s\"'#]+)", text, re.MULTILINE)
    return match[1] if match is not None else None


def with_kernel(text: str, where: str, version: str, sums: Checksums) -> str:
    """The text with the kernel's version and both checksums replaced, and nothing else.

    Raises `Malformed` where a line is missing or there twice.
    """
    for name, value in (
        ("linux_version", version),
        ("linux_sha256", sums.sha256),
        ("linux_sha512", sums.sha512),
    ):
        pattern = re.compile(rf"^([ \t]*{name}:[ \t]*)([^\s#]+)", re.MULTILINE)
        text, count = pattern.subn(lambda match, value=value: match[1] + value, text)  # type: ignore[misc]
        if count != 1:
            raise Malformed(where, None, f"one line {name}: …", f"{count} of them")
    return text


def with_release(text: str, where: str, release: str) -> str:
    """The Go text with that release of the kernel; raises `Malformed`."""
    pattern = re.compile(r'^(\s*DefaultKernelVersion\s*=\s*")[^"\n]*(")', re.MULTILINE)
    text, count = pattern.subn(lambda match: match[1] + release + match[2], text)
    if count != 1:
        raise Malformed(where, None, 'one line DefaultKernelVersion = "…"', f"{count} of them")
    return text


def with_package(text: str, where: str, names: tuple[str, str], image: str, tag: str) -> tuple[str, str]:
    """The Makefile with the kernel's package at `image`, else all packages at `tag`; and the variable's name.

    `names` are the two variables. Raises `Malformed` where it has neither.
    """
    for name, value in zip(names, (image, tag), strict=True):
        pattern = re.compile(rf"^({re.escape(name)}[ \t]*\?=[ \t]*)(.*)$", re.MULTILINE)
        changed, count = pattern.subn(lambda match, value=value: match[1] + value, text)  # type: ignore[misc]
        if count == 1:
            return changed, name
    raise Malformed(where, None, f"a line {names[0]} ?= … or {names[1]} ?= …", "neither")
