"""The file of a table of formats.

Eight bytes of mark, a CRC-32 of all that follows (little endian), a line of JSON, then zstandard frames one
after the other: who holds the formats, then the formats in groups. The line says how many bytes each frame
has and how many rows its columns; of a group also its first anchor (bytes as characters of Latin 1), so that
a line is looked up in the few groups that its words are in.

The frame of names has the columns `owners` and `owner_sets`, a line each row. That of a group has `anchors`
and `texts`, then, little endian, how many formats each anchor has (32 bits), and of each format its call and
level, and whether its line goes on (8), its kernels (16) and its set of owners (32). No row of text holds a
line end.
"""

from __future__ import annotations

import json
import sys
import zlib
from array import array
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise
from operator import methodcaller
from typing import Any

from attrs import frozen

from bootwright.formats.messages.table import CALLS, MOST_KERNELS, Group, MessageTable, Names
from bootwright.formats.sources import zstd
from bootwright.foundation.errors import Malformed, first_bytes

MARK = b"BWMSGS3\n"
_MOST_BYTES = 64 << 20
_ROWS = 1024
"""Formats of a group, about: smaller ones compress worse, larger ones hold more that no question asks for."""
_OF_ANCHOR = 4
_OF_FORMAT = 1 + 2 + 4
_CRC = 4


@frozen
class _Frame:
    """Where a frame is, and what is in it."""

    at: int
    size: int
    rows: tuple[int, int]
    """Of its two columns of text."""


def pack_table(table: MessageTable) -> bytes:
    """The bytes of a table's file; raises `Malformed` where it came from a file that does not fit itself."""
    names = table.open_names()
    frames = [_packed(_lines(names.owners, names.owner_sets))]
    head: dict[str, Any] = {
        "kernels": table.kernels,
        "names": (len(frames[0]), len(names.owners), len(names.owner_sets)),
        "groups": [],
    }
    for whole in map(table.open_group, range(len(table.firsts))):
        for group in _divided(whole):
            numbers = (
                _little("I", group.sizes)
                + bytes(group.codes)
                + _little("H", group.masks)
                + _little("I", group.set_numbers)
            )
            frames.append(_packed(_lines(group.anchors, group.texts) + numbers))
            first = bytes(group.anchors[0]).decode("latin-1")
            head["groups"].append((first, len(frames[-1]), len(group.anchors), len(group.texts)))
    body = json.dumps(head, separators=(",", ":")).encode() + b"\n" + b"".join(frames)
    return MARK + zlib.crc32(body).to_bytes(_CRC, "little") + body


def _divided(group: Group) -> Iterator[Group]:
    """In pieces of whole anchors, each with about so many formats."""
    begin = place = start = 0
    for number, size in enumerate(group.sizes, 1):
        place += size
        if place - start >= _ROWS or number == len(group.sizes):
            rows = slice(start, place)
            yield Group(
                group.anchors[begin:number],
                group.texts[rows],
                group.sizes[begin:number],
                group.codes[rows],
                group.masks[rows],
                group.set_numbers[rows],
            )
            begin, start = number, place


def unpack_table(data: bytes, where: str) -> MessageTable:
    """Read a table's file. Raises `Malformed` where it is damaged or cut short."""
    if not data.startswith(MARK):
        raise Malformed(where, 0, "a table of kernel messages", first_bytes(data, 8))
    at = len(MARK) + _CRC
    checksum = int.from_bytes(data[len(MARK) : at], "little")
    if len(data) <= at or zlib.crc32(memoryview(data)[at:]) != checksum:
        raise Malformed(where, len(MARK), "the checksum of the rest", "another one")
    line, _, _ = data[at:].partition(b"\n")
    try:
        head = json.loads(line)
        kernels = tuple(str(name) for name in head["kernels"])
        firsts = [first.encode("latin-1") for first, *_ in head["groups"]]
        sizes = [head["names"], *(group[1:] for group in head["groups"])]
        frames = _frames(sizes, at + len(line) + 1)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Malformed(where, at, "a line that says what is in the frames", str(error)[:200]) from error
    end = frames[-1].at + frames[-1].size
    if end != len(data) or len(kernels) > MOST_KERNELS:
        raise Malformed(where, at, f"frames of {len(data)} bytes with the rest", f"{end} bytes")
    names, *groups = frames

    def open_group(number: int) -> Group:
        frame = groups[number]
        group = _group(_expanded(data, frame, where), frame.rows, names.rows[1])
        if group is None:
            raise Malformed(where, frame.at, f"{sum(frame.rows)} rows that fit each other", "others")
        return group

    def open_names() -> Names:
        opened = _names(_expanded(data, names, where), names.rows)
        if opened is None:
            raise Malformed(where, names.at, f"{sum(names.rows)} rows that fit each other", "others")
        return opened

    return MessageTable(kernels, firsts, [frame.rows[1] for frame in groups], open_group, open_names)


def _frames(sizes: Iterable[tuple[int, int, int]], at: int) -> list[_Frame]:
    frames: list[_Frame] = []
    for size, first, second in sizes:
        if not all(isinstance(number, int) and number >= 0 for number in (size, first, second)):
            raise ValueError("no numbers of bytes and rows")
        frames.append(_Frame(at, size, (first, second)))
        at += size
    return frames


def _packed(content: bytes) -> bytes:
    return zstd.compressed(content, level=19)


def _expanded(data: bytes, frame: _Frame, where: str) -> bytes:
    """The content of a frame, which says how much it holds. Raises `Malformed`."""
    packed = data[frame.at : frame.at + frame.size]
    try:
        return zstd.content(packed, most=_MOST_BYTES)
    except ValueError as error:
        raise Malformed(
            where, frame.at, f"a zstandard frame of {frame.size} bytes", str(error)[:200]
        ) from error


def _lines(*columns: Iterable[bytes]) -> bytes:
    return b"".join(row + b"\n" for column in columns for row in column)


def _split(text: bytes, rows: tuple[int, int]) -> tuple[list[bytes], list[bytes]] | None:
    """Two columns of text; None where they have other numbers of rows."""
    lines = text.split(b"\n")
    if lines.pop() or len(lines) != sum(rows):
        return None
    return lines[: rows[0]], lines[rows[0] :]


def _names(content: bytes, rows: tuple[int, int]) -> Names | None:
    """None where a number leads to no row."""
    columns = _split(content, rows)
    if columns is None:
        return None
    owners, owner_sets = columns
    numbers = b" ".join(owner_sets)
    if numbers.translate(None, b"0123456789 ") or max(map(int, numbers.split()), default=-1) >= len(owners):
        return None
    tabs = set(map(methodcaller("count", b"\t"), owners))
    return Names(owners, owner_sets) if tabs <= {2} else None


def _group(content: bytes, rows: tuple[int, int], sets: int) -> Group | None:
    """None where a number leads to no row."""
    anchors, formats = rows
    # The binary columns are at the end, so that where they begin is known from there.
    place = len(content) - _OF_ANCHOR * anchors - _OF_FORMAT * formats
    columns = _split(content[: max(place, 0)], rows)
    if place < 0 or columns is None:
        return None
    ends = list(accumulate((_OF_ANCHOR * anchors, formats, 2 * formats, 4 * formats), initial=place))
    sizes, codes, masks, set_numbers = (content[start:end] for start, end in pairwise(ends))
    group = Group(*columns, _array("I", sizes), codes, _array("H", masks), _array("I", set_numbers))
    fits = (
        sum(group.sizes) == formats
        and max(group.set_numbers, default=-1) < sets
        and all(code >> 4 & 7 < len(CALLS) for code in set(codes))
    )
    return group if fits else None


def _little(kind: str, values: Iterable[int]) -> bytes:
    numbers = array(kind, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _array(kind: str, raw: bytes) -> array[int]:
    numbers: array[int] = array(kind)
    numbers.frombytes(raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
