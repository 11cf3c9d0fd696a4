"""The structure block of a flattened devicetree: one pass that checks it and makes light nodes.

Most of a devicetree is nodes whose properties are short; a regular expression takes such a node at once,
with its name, all its properties and the FDT_END_NODE tokens after it. Whatever it does not match (long
values, FDT_NOP, anything wrong) is taken token by token, which is also where errors are reported. Both ways
check the same: names end in the strings block, tokens follow one another without gaps, nesting is bounded.
"""

from __future__ import annotations

import functools
import gc
import re
from typing import NoReturn

from bootwright.formats.devicetree.node import (
    BEGIN_NODE,
    END,
    END_NODE,
    NOP,
    PROP,
    Block,
    Node,
)
from bootwright.foundation.errors import Malformed

MAX_DEPTH = 64
"""Nesting that Linux accepts (FDT_MAX_DEPTH, drivers/of/fdt.c, 6.12)."""
MAX_NODES = 50_000
"""The largest devicetree of Linux 6.18 for arm64 has 1,426 nodes."""
_LONG_NAME = 63
"""Bytes of a node name; the specification allows 31 and a unit address (section 2.2.1)."""
_MAX_LONG_NAMES = 4096
"""Bytes in all names that are longer than that: paths are made of them, 64 levels deep for every node."""


_SHORT_WORDS = 32
"""Longest value, in words of 4 bytes, that the regular expression knows: all but one of 200 properties in the
devicetrees of Linux 6.18."""


class _Unfilled(Node):
    """A node without anything yet: to be called without arguments takes a third of the time."""

    __slots__ = ()
    __init__ = object.__init__


@functools.lru_cache(maxsize=256)
def _node_pattern(page: int, last: int) -> re.Pattern[str]:
    """Match a node, as far as its properties are short.

    Their names are at offsets below `page` × 256, or up to `last` when `page` is 0. The expression works on
    the blob as Latin-1 text, so that names need not be decoded one by one. What follows the name must be a
    token: this finds its padding, whose length the caller checks.

    Regular expressions cannot, so there is a branch for each length in words; the branches begin with
    different characters, which the `re` module tells apart without trying them.
    """
    below = rf"\x00\x00[\x00-\x{page - 1:02x}]." if page else rf"\x00\x00\x00[\x00-\x{last:02x}]"
    lengths = range(1, _SHORT_WORDS)
    some = (rf"[\x{words * 4 - 3:02x}-\x{words * 4:02x}]{below}.{{{words * 4}}}" for words in lengths)
    short = "|".join((*some, rf"\x00{below}"))
    name = rf"([\x01-\x7f]{{0,{_LONG_NAME}}}+)\x00{{1,4}}(?=\x00\x00\x00[\x01-\x04])"
    return re.compile(
        rf"\x00\x00\x00\x01{name}(?:\x00\x00\x00\x03\x00\x00\x00(?:{short}))*+((?:\x00\x00\x00\x02)*+)",
        re.DOTALL,
    )


def _pattern_for(limit: int) -> re.Pattern[str]:
    """The pattern for a strings block of `limit` bytes: all names it lets pass begin inside."""
    if not limit:
        return re.compile(r"(?!)")
    return _node_pattern(min(limit >> 8, 256), 0) if limit >= 256 else _node_pattern(0, limit - 1)


def read_nodes(blob: bytes, start: int, size: int, strings: bytes, name: str) -> list[Node]:  # noqa: C901, PLR0912, PLR0915 - one loop, for speed
    """Every node in the blob's order, the root first; properties are read later.

    The structure block is `size` bytes from `start`; `strings` ends with its last NUL. Raises `Malformed`
    with the offset and what was expected there.
    """
    end, limit = start + (size & ~3), len(strings)
    text = blob.decode("latin-1")
    common = _pattern_for(limit).match
    block = Block(blob, strings)
    nodes: list[Node] = []
    node: Node | None = None
    depth = long_names = 0
    run = -1  # the offset at which another property of `node` would still be counted as one
    at = start
    collecting = gc.isenabled()
    gc.disable()  # many small objects and no garbage: collections would only cost
    try:
        while True:
            match = common(text, at, end)
            if match is not None and not (after := match.end()) & 3:
                made = _Unfilled()
                made.name, ends = match.groups()
                begins, at = at, after
                made.stop = at - len(ends)
            else:
                token = int.from_bytes(blob[at : at + 4], "big") if at < end else _ended(name, start + size)
                if token == PROP:
                    offset = int.from_bytes(blob[at + 8 : at + 12], "big")
                    if offset >= limit or node is None:
                        _misplaced(name, at, node, offset, limit)
                    # A length that leaves the block leads beyond its end, which is reported above.
                    begins, at = at, at + ((12 + int.from_bytes(blob[at + 4 : at + 8], "big") + 3) & ~3)
                    if begins == run:
                        run = node.stop = at
                    continue
                if token == NOP:
                    run += 4 if run == at else 0
                    at += 4
                    continue
                if token == END_NODE:
                    if node is None:
                        raise Malformed(name, at, "FDT_END", "FDT_END_NODE without a node")
                    node = node.parent
                    depth -= 1
                    at += 4
                    continue
                if token == END:
                    break
                if token != BEGIN_NODE:
                    raise Malformed(name, at, "a structure token (1, 2, 3, 4 or 9)", f"{token:#x}")
                name_end = blob.find(b"\0", at + 4, end)
                if name_end < 0:
                    raise Malformed(name, at + 4, "a NUL-terminated node name", "none")
                long_names += name_end - at if name_end - at > _LONG_NAME else 0
                if long_names > _MAX_LONG_NAMES:
                    raise Malformed(
                        name, at + 4, f"node names of at most {_LONG_NAME} bytes", "many long ones"
                    )
                made = _Unfilled()
                made.name = blob[at + 4 : name_end].decode("ascii", "backslashreplace")
                ends = ""
                begins, at = at, (name_end + 4) & ~3
                made.stop = at
            made.parent = node
            made.offset = begins
            made.block = block
            made._path = made._properties = None  # noqa: SLF001  (a node to be filled)
            made._enabled = made._available = made._compatible = None  # noqa: SLF001
            made.children = []
            if node is not None:
                node.children.append(made)
            elif nodes:
                raise Malformed(name, begins, "one root node", "a second one")
            if depth >= MAX_DEPTH or len(nodes) >= MAX_NODES:
                raise Malformed(name, begins, f"at most {MAX_DEPTH} levels and {MAX_NODES} nodes", "more")
            nodes.append(made)
            if not ends:
                node, run = made, at
                depth += 1
                continue
            for _ in range(4, len(ends), 4):
                if node is None:
                    raise Malformed(name, at - 4, "FDT_END", "FDT_END_NODE without a node")
                node = node.parent
                depth -= 1
    finally:
        if collecting:
            gc.enable()
    if node is not None or not nodes:
        raise Malformed(name, at, "a closed root node", "FDT_END")
    return nodes


def _ended(name: str, end: int) -> NoReturn:
    raise Malformed(name, end, "FDT_END", "the end of the structure block")


def _misplaced(name: str, at: int, node: Node | None, offset: int, limit: int) -> NoReturn:
    if node is None:
        raise Malformed(name, at, "a node", "a property outside any node")
    raise Malformed(name, at + 8, f"a name in the strings block of {limit} bytes", f"{offset:#x}")
