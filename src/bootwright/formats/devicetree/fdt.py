"""Flattened devicetree blobs (DTB, DTBO): devicetree specification 0.4, chapter 5, structure version 17."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from bootwright.formats.devicetree.node import Node, text_of
from bootwright.formats.devicetree.structure import MAX_DEPTH, MAX_NODES, read_nodes
from bootwright.formats.sources.bytesource import ByteSource, FileBytes, positions
from bootwright.foundation.errors import Malformed, first_bytes

__all__ = [
    "MAGIC",
    "MAX_DEPTH",
    "MAX_NODES",
    "MAX_SIZE",
    "Node",
    "Tree",
    "parse_fdt",
    "read_fdt",
    "read_fdt_file",
]

MAGIC = 0xD00DFEED
_HEADER = struct.Struct(">10I")
_PROPERTY_OF_4 = struct.pack(">2I", 3, 4)
_MAX_NAME = 255
"""Bytes of a property's name; the specification allows 31 (section 2.2.4)."""
_FEW = 8
"""Places a name may have before looking for all of them at once is faster."""
_PHANDLES = ("phandle", "linux,phandle")

MAX_SIZE = 4 << 20
"""Bytes. arm64 Linux maps at most 2 MiB (MAX_FDT_SIZE, arch/arm64/include/asm/fixmap.h, 6.12)."""


class Tree:
    """A parsed devicetree."""

    def __init__(
        self,
        name: str,
        blob: bytes,
        *,
        nodes: list[Node],
        strings: bytes,
        reservations: list[tuple[int, int]],
    ) -> None:
        self.name = name
        self.blob = blob
        self.nodes = nodes
        """Every node, in the blob's order; the first is the root."""
        self.root = nodes[0]
        self.reservations = reservations
        """(address, size) of each memory reservation block entry, in bytes."""
        self._by_phandle: dict[int, Node] | None = None
        self._strings = strings
        self._by_path: dict[str, Node] | None = None

    @property
    def compatible(self) -> tuple[str, ...]:
        """The root's compatible strings: the board and its SoC."""
        return self.root.compatible

    @property
    def model(self) -> str | None:
        """The root's `model`."""
        return self.root.string("model")

    def node(self, path: str) -> Node | None:
        """The node at `path`; a path that starts with an alias is followed, as of_find_node_by_path does."""
        if self._by_path is None:
            self._by_path = {}
            for node in self.nodes:
                self._by_path.setdefault(node.path, node)
        path = path.partition(":")[0]
        if not path.startswith("/"):
            alias, slash, rest = path.partition("/")
            target = self.alias(alias)
            if target is None:
                return None
            path = target.path + slash + rest
        return self._by_path.get(path.rstrip("/") or "/")

    def alias(self, name: str) -> Node | None:
        """The node an entry of /aliases names, or None."""
        aliases = self.root.child("aliases")
        value = aliases.string(name) if aliases is not None else None
        return self.node(value) if value is not None and value.startswith("/") else None

    @property
    def symbols(self) -> dict[str, str]:
        """Label → path, from `__symbols__` (present when built with `dtc -@`)."""
        node = self.root.child("__symbols__")
        if node is None:
            return {}
        return {label: text_of(value.partition(b"\0")[0]) for label, value in node.properties.items()}

    @property
    def is_overlay(self) -> bool:
        """Whether this is a DTBO: fragments to be applied to a base."""
        return any(child.child("__overlay__") is not None for child in self.root.children)

    @property
    def by_phandle(self) -> dict[int, Node]:
        """phandle → node. Found when first asked for, by looking for the properties' tokens in the blob."""
        if self._by_phandle is None:
            self._by_phandle = {}
            starts = [node.offset for node in self.nodes]
            owners = {bisect_right(starts, at) - 1 for at in self._tokens_like(_PHANDLES)}
            for node in (self.nodes[index] for index in sorted(owners)):
                # What looks like one may be a part of a value.
                properties = node.properties
                value = properties.get("phandle") or properties.get("linux,phandle") or b""
                if len(value) == 4:
                    self._by_phandle.setdefault(int.from_bytes(value, "big"), node)
        return self._by_phandle

    def _tokens_like(self, names: tuple[str, ...]) -> Iterator[int]:
        """Offsets of what looks like an FDT_PROP with 4 bytes under one of the names; in the blob's order."""
        # A name may be the end of another one, so each may begin at several places of the strings block.
        tokens = {
            _PROPERTY_OF_4 + offset.to_bytes(4, "big")
            for wanted in names
            for offset in positions(self._strings, wanted.encode("ascii") + b"\0")
        }
        blob, root = self.blob, self.root.offset
        if len(tokens) <= _FEW:
            places = sorted(at for token in tokens for at in positions(blob, token))
        else:
            places = [at for at in positions(blob, _PROPERTY_OF_4) if blob[at : at + 12] in tokens]
        return (at for at in places if at >= root)

    def property_offset(self, node: Node, name: str) -> int | None:
        """Byte offset in the blob of a property's FDT_PROP token, for provenance."""
        if node.block is None:
            return None
        tokens, name_at = node.block.tokens(node.offset, node.stop), node.block.name
        return next((at for at, offset in tokens if name_at(offset) == name), None)


def read_fdt(source: ByteSource) -> Tree:
    """Parse a DTB or DTBO.

    Raises `Malformed` with the offset and what was expected there: wrong magic, blocks outside the
    blob, an unknown version, tokens out of place, or nesting beyond `MAX_DEPTH`.
    """
    if source.size < _HEADER.size:
        raise Malformed(source.name, 0, "a devicetree header of 40 bytes", f"{source.size} bytes")
    header = source.read(0, _HEADER.size)
    (size,) = struct.unpack_from(">I", header, 4)
    if int.from_bytes(header[:4], "big") != MAGIC:
        raise Malformed(source.name, 0, f"devicetree magic {MAGIC:#x}", first_bytes(header, 4))
    if size > MAX_SIZE:
        raise Malformed(source.name, 4, f"a total size of at most {MAX_SIZE} bytes", str(size))
    return parse_fdt(source.read(0, size), source.name)


def read_fdt_file(path: Path) -> Tree:
    """Parse the DTB or DTBO in a file. Raises `Missing` or `Malformed`."""
    return read_fdt(FileBytes(path))


def parse_fdt(blob: bytes, name: str) -> Tree:
    """Parse a whole blob in memory; see `read_fdt`."""
    if len(blob) < _HEADER.size:
        raise Malformed(name, 0, "a devicetree header of 40 bytes", f"{len(blob)} bytes")
    magic, total, at_struct, at_strings, at_reserve, version, compatible, _, size_strings, size_struct = (
        _HEADER.unpack_from(blob)
    )
    if magic != MAGIC:
        raise Malformed(name, 0, f"devicetree magic {MAGIC:#x}", f"{magic:#x}")
    if not _HEADER.size <= total <= len(blob) or total > MAX_SIZE:
        raise Malformed(name, 4, f"a total size of at most {min(len(blob), MAX_SIZE)} bytes", str(total))
    if compatible > 17 or version < 16:
        raise Malformed(name, 20, "devicetree version 16 or 17", f"{version} (compatible with {compatible})")
    if version == 16:
        size_struct = total - min(at_struct, total)
    if at_struct % 4 or at_struct + size_struct > total:
        raise Malformed(name, 8, "an aligned structure block inside the blob", f"offset {at_struct:#x}")
    if at_strings + size_strings > total:
        raise Malformed(name, 12, "a strings block inside the blob", f"offset {at_strings:#x}")
    reservations = _reservations(blob, at_reserve, total, name)
    strings = blob[at_strings : at_strings + size_strings]
    # Names must end inside the block: what follows the last NUL is no name.
    strings = strings[: strings.rfind(b"\0") + 1]
    _check_names(strings, at_strings, name)
    blob = blob[:total]
    return Tree(
        name,
        blob,
        nodes=read_nodes(blob, at_struct, size_struct, strings, name),
        strings=strings,
        reservations=reservations,
    )


def _check_names(strings: bytes, offset: int, where: str) -> None:
    at = 0
    while len(strings) - at > _MAX_NAME:
        last = strings.rfind(b"\0", at, at + _MAX_NAME + 1)
        if last < 0:
            raise Malformed(
                where, offset + at, f"property names of at most {_MAX_NAME} bytes", "a longer one"
            )
        at = last + 1


def _reservations(blob: bytes, at: int, total: int, name: str) -> list[tuple[int, int]]:
    reservations: list[tuple[int, int]] = []
    while at + 16 <= total and len(reservations) < 4096:
        address, size = struct.unpack_from(">2Q", blob, at)
        if not address and not size:
            return reservations
        reservations.append((address, size))
        at += 16
    raise Malformed(name, at, "the end of the memory reservation block", "the end of the blob")
