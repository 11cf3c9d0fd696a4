"""Pointers of an uncompressed arm64 Image, followed to what they point to."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeVar

from bootwright.formats.kernel.kallsyms import FUNCTION_KINDS, Symbols
from bootwright.formats.kernel.match_tables import Effort, OfId, c_string, of_table

_T = TypeVar("_T")


class ImageMemory:
    """Pointers into the Image, each looked at once."""

    def __init__(self, image: bytes, symbols: Symbols, where: str) -> None:
        self._effort = Effort(where)
        self.image = image
        self.base = symbols.base
        self.end = self.base + len(image)
        self._functions = {
            address
            for address, kind in zip(symbols.addresses, symbols.types, strict=True)
            if kind in FUNCTION_KINDS
        }
        self._of: dict[int, tuple[OfId, ...] | None] = {}

    def offset(self, address: int) -> int | None:
        """Where in the Image an aligned address is; None where it is not in it."""
        return address - self.base if self.base < address < self.end and not address & 3 else None

    def string(self, address: int) -> str | None:
        """The short text at an address, or None."""
        return c_string(self.image, address - self.base) if self.base < address < self.end else None

    def is_code(self, address: int) -> bool:
        """Whether a function begins at an address."""
        return address in self._functions

    def of(self, address: int) -> tuple[OfId, ...] | None:
        """The devicetree match table at an address, or None."""
        if address not in self._of:
            at = self.offset(address)
            self._of[address] = None if at is None else of_table(self.image, at, self._effort)
        return self._of[address]

    def table(self, address: int, decode: Callable[[bytes, int], _T | None]) -> _T | None:
        """What a decoder makes of the bytes at an address; None where there are none."""
        at = self.offset(address)
        return None if at is None else decode(self.image, at)

    def words(self, address: int, size: int) -> tuple[int, ...] | None:
        """The 64-bit words of a structure of `size` bytes, or None where the Image does not hold it."""
        at = self.offset(address)
        if at is None or address & 7 or at + size > len(self.image):
            return None
        return struct.unpack_from(f"<{size // 8}Q", self.image, at)
