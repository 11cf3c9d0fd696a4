"""The file of a table of formats.

Eight bytes of mark, then a zstandard frame. In it a line of JSON with the names of the kernels and the number
of rows of each column, then the columns `owners`, `owner_sets`, `anchors` and `texts`, a line each row; then,
little endian, how many formats each anchor has (32 bits), and of each format its call and level (8), its
kernels (16) and its set of owners (32). No row of text holds a line end.
"""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Iterable
from itertools import accumulate
from typing import Any

import zstandard

from bootwright.formats.messages.table import CALLS, MOST_KERNELS, Columns, MessageTable
from bootwright.foundation.errors import Malformed

MARK = b"BWMSGS1\n"
_MOST_BYTES = 256 << 20
_TEXT_COLUMNS = ("owners", "owner_sets", "anchors", "texts")


def pack_table(table: MessageTable) -> bytes:
    """The bytes of a table's file."""
    rows = table.columns
    columns = (rows.owners, rows.owner_sets, rows.anchors, rows.texts)
    head: dict[str, Any] = {"kernels": rows.kernels}
    head |= {name: len(column) for name, column in zip(_TEXT_COLUMNS, columns, strict=True)}
    text = b"".join(row + b"\n" for column in columns for row in column)
    numbers = (
        _little("I", rows.sizes) + rows.codes + _little("H", rows.masks) + _little("I", rows.set_numbers)
    )
    body = json.dumps(head).encode() + b"\n" + text + numbers
    return MARK + zstandard.ZstdCompressor(level=19, write_checksum=True).compress(body)


def unpack_table(data: bytes, where: str) -> MessageTable:
    """Read a table's file. Raises `Malformed` where it is damaged or cut short."""
    if not data.startswith(MARK):
        raise Malformed(where, 0, "a table of kernel messages", f"0x{data[:8].hex()}")
    try:
        body = _expanded(data[len(MARK) :])
        line, _, rest = body.partition(b"\n")
        head = json.loads(line)
        kernels = tuple(str(name) for name in head["kernels"])
        counts = [int(head[name]) for name in _TEXT_COLUMNS]
    except (zstandard.ZstdError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise Malformed(where, len(MARK), "a zstandard frame of columns", str(error)[:200]) from error
    if min(counts) < 0 or len(kernels) > MOST_KERNELS:
        raise Malformed(where, len(MARK), "numbers of rows", line.decode(errors="replace")[:80])
    columns = _columns(rest, kernels, counts)
    if columns is None or not _fits(columns):
        raise Malformed(where, len(MARK), f"{sum(counts)} rows that fit each other", f"{len(rest)} bytes")
    return MessageTable(columns)


def _expanded(frame: bytes) -> bytes:
    """The content of a frame that says how much it holds, and has a checksum over it; else `ValueError`."""
    parameters = zstandard.get_frame_parameters(frame)
    if not parameters.has_checksum or not 0 < parameters.content_size <= _MOST_BYTES:
        raise ValueError(f"no checksum, or not the size of 1 to {_MOST_BYTES} bytes")
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MOST_BYTES).decompressobj()
    body = decompressor.decompress(frame)
    if not decompressor.eof or decompressor.unused_data:
        raise ValueError("a frame that ends elsewhere than the file")
    return body


def _columns(rest: bytes, kernels: tuple[str, ...], counts: list[int]) -> Columns | None:
    _, _, anchors, formats = counts
    # The binary columns are at the end, so that where they begin is known from there.
    place = len(rest) - 4 * anchors - (1 + 2 + 4) * formats
    rows = rest[: max(place, 0)].split(b"\n")
    if place < 0 or rows.pop() or len(rows) != sum(counts):
        return None
    ends = list(accumulate(counts))
    sizes_end = place + 4 * anchors
    return Columns(
        kernels,
        rows[: ends[0]],
        rows[ends[0] : ends[1]],
        rows[ends[1] : ends[2]],
        rows[ends[2] :],
        _array("I", rest[place:sizes_end]),
        rest[sizes_end : sizes_end + formats],
        _array("H", rest[sizes_end + formats : sizes_end + 3 * formats]),
        _array("I", rest[sizes_end + 3 * formats :]),
    )


def _fits(columns: Columns) -> bool:
    """Whether every number leads to a row."""
    numbers = b" ".join(columns.owner_sets).split()
    return (
        sum(columns.sizes) == len(columns.texts)
        and max(columns.set_numbers, default=-1) < len(columns.owner_sets)
        and all(number.isdigit() and int(number) < len(columns.owners) for number in numbers)
        and all(row.count(b"\t") == 2 for row in columns.owners)
        and all(code >> 4 < len(CALLS) for code in set(columns.codes))
    )


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
