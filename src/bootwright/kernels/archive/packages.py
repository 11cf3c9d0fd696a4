"""The `Packages` index: one paragraph a package, read as it streams by; only wanted ones are kept.

Format: https://wiki.debian.org/DebianRepository/Format, "Packages" indices; deb-control(5) for fields.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cmp_to_key

from attrs import frozen

from bootwright.formats.sources.streams import CHUNK, Stream
from bootwright.foundation.errors import Malformed

_SHA256 = re.compile(r"[0-9a-f]{64}")
# deb-control(5), debian-policy 5.6.12: what a version may be made of
_VERSION = re.compile(r"[0-9][A-Za-z0-9.+~:-]*")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+~_%:/-]*")
# One package's paragraph is a few kilobytes; the longest of Debian's main is 60 kB.
_MOST_PARAGRAPH = 1 << 20


@frozen
class Package:
    """A binary package in an archive."""

    name: str
    version: str
    filename: str
    """Path below the archive's address."""
    size: int
    sha256: str


def read_packages(
    stream: Stream, where: str, wanted: Callable[[str], bool], architecture: str
) -> Iterator[Package]:
    """The packages whose name is wanted; raises `Malformed` for one that lacks a field or has a wrong one."""
    rest = b""
    while block := stream.read(CHUNK):
        *paragraphs, rest = (rest + block).split(b"\n\n")
        if len(rest) > _MOST_PARAGRAPH:
            raise Malformed(where, None, f"paragraphs below {_MOST_PARAGRAPH} bytes", "a longer one")
        for paragraph in paragraphs:
            yield from _package(paragraph, where, wanted, architecture)
    yield from _package(rest, where, wanted, architecture)


def _package(
    paragraph: bytes, where: str, wanted: Callable[[str], bool], architecture: str
) -> Iterator[Package]:
    head = re.search(rb"^Package: *(\S+) *$", paragraph, re.MULTILINE)
    if head is None or not wanted(head[1].decode("ascii", "replace")):
        return
    fields: dict[str, str] = {}
    for line in paragraph.decode("utf-8", "replace").splitlines():
        if not line[:1].isspace():
            key, _, value = line.partition(":")
            fields[key.lower()] = value.strip()
    name = fields["package"]
    if fields.get("architecture") not in {architecture, "all"}:
        return

    def checked(key: str, pattern: str | re.Pattern[str]) -> str:
        value = fields.get(key, "")
        if re.fullmatch(pattern, value) is None:
            raise Malformed(where, None, f"a {key} for {name}", repr(value[:100]))
        return value

    filename = checked("filename", _FILENAME)
    if ".." in filename.split("/"):
        raise Malformed(where, None, f"a path below the archive for {name}", repr(filename[:100]))
    yield Package(
        name=name,
        version=checked("version", _VERSION),
        filename=filename,
        size=int(checked("size", r"\d{1,12}")),
        sha256=checked("sha256", _SHA256),
    )


def version_key(version: str) -> object:
    """A sort key for Debian versions (deb-version(7), "Sorting algorithm")."""
    return cmp_to_key(_compare)(version)


def _compare(first: str, second: str) -> int:
    for part, other in zip(_parts(first), _parts(second), strict=True):
        result = _compare_part(part, other)
        if result:
            return result
    return 0


def _parts(version: str) -> tuple[str, str, str]:
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (epoch, upstream, revision) if dash else (epoch, rest, "0")


def _compare_part(first: str, second: str) -> int:
    runs, other_runs = _runs(first), _runs(second)
    for left, right in zip(runs, other_runs, strict=False):
        if left != right:
            return -1 if left < right else 1
    return (len(runs) > len(other_runs)) - (len(runs) < len(other_runs))


def _runs(text: str) -> list[tuple[tuple[int, ...], int]]:
    """Alternating runs of non-digits and digits; `~` sorts before the end, letters before the rest."""
    runs: list[tuple[tuple[int, ...], int]] = []
    for other, digits in re.findall(r"(\D*)(\d*)", text):
        if other or digits:
            weights = (
                -1 if char == "~" else ord(char) if char.isalpha() else ord(char) + 256 for char in other
            )
            runs.append(((*weights, 0), int(digits or "0")))
    return [*runs, ((0,), 0)]
