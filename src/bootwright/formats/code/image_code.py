"""The machine code and constant data of an uncompressed arm64 Image, by its symbol table."""

from __future__ import annotations

import re
import struct
import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from bootwright.formats.code.linked_code import Code
from bootwright.formats.kernel.kallsyms import FUNCTION_KINDS, Symbols

_PROMOTED = re.compile(r"\.llvm\.\d+$")
_OFFSET = (1 << 26) - 1
_BRANCH = re.compile(rb"[\x14-\x17\x94-\x97]")
"""The last byte of a B or BL (Arm ARM, C6.2: bits 30 to 26 are 00101)."""
_LAST = 4096
"""Bytes that the last function is taken to have."""
_PE_AT = 60
_PE_HEADER = 24
"""Bytes before the optional header: the magic and struct coff_hdr (include/linux/pe.h, Linux 6.12)."""
_PE_SECTION = 40
_MOST_SECTIONS = 16
_PE_WRITABLE = 1 << 31


class ImageCode(Code):
    """An uncompressed arm64 Image in memory."""

    is_large = True

    def __init__(self, image: bytes, symbols: Symbols) -> None:
        super().__init__()
        self._image, self._base = image, symbols.base
        self._data: int | None = None
        for address, kind, name in symbols:
            # Of several names of one place an exported one is what is known; those are global.
            if kind in FUNCTION_KINDS and (address not in self.functions or kind == "T"):
                self.functions[address] = plain_name(name)
            if name == "_sdata":
                self._data = address
        if self._data is None:  # without CONFIG_KALLSYMS_ALL
            self._data = symbols.base + (_writable_at(image) or len(image))

    def word(self, address: int) -> int | None:
        """The instruction at an address, or None where there is no code."""
        at = address - self._base
        return (
            None
            if at < 0 or at + 4 > len(self._image)
            else int.from_bytes(self._image[at : at + 4], "little")
        )

    def calling(self, targets: Iterable[int]) -> list[int]:
        """Functions that branch, with B or BL, to one of these addresses, in order."""
        if not self.starts:
            return []
        first = (self.starts[0] - self._base) & ~3
        raw = self._image[max(first, 0) : self.starts[-1] + _LAST - self._base]
        words = array("I", raw[: len(raw) & ~3])
        if sys.byteorder == "big":
            words.byteswap()
        # The offset counts words from the branch itself: it and the place make the target's place.
        wanted = {(target - self.starts[0] >> 2) & _OFFSET for target in targets}
        # One word in ten is a branch: they are looked for by their last bytes, which is ten times as fast.
        places = (
            branch.start()
            for branch in _BRANCH.finditer(raw[3::4])
            if (words[branch.start()] + branch.start()) & _OFFSET in wanted
        )
        functions = (bisect_right(self.starts, self.starts[0] + 4 * place) - 1 for place in places)
        return [self.starts[index] for index in dict.fromkeys(functions)]

    def has_body(self, address: int) -> bool:
        """Whether the function at an address is here to be walked into."""
        return address in self.functions

    def holds_data(self, address: int) -> bool:
        """Whether the Image has something at an address that is not the beginning of a function."""
        return self._base < address < self._base + len(self._image) and address not in self.functions

    def constant(self, address: int, size: int) -> bytes | None:
        """Bytes that are the same in a running kernel, or None."""
        # Initialised data may have changed by the time a driver probes; what precedes it is read-only.
        return None if self._data is None or address >= self._data else self.data(address, size)

    def data(self, address: int, size: int) -> bytes | None:
        """Bytes of the Image, initialised data included."""
        at = address - self._base
        return None if at < 0 or at + size > len(self._image) else self._image[at : at + size]


def plain_name(name: str) -> str:
    """A function's name in the source: link-time optimisation by Clang adds a hash to some static ones.

    `foo.llvm.1234` takes the arguments that `foo` does, unlike GCC's `foo.constprop.0`.
    """
    return _PROMOTED.sub("", name) if name.rfind(".llvm.") > 0 else name


def _writable_at(image: bytes) -> int | None:
    """Where the Image's EFI header has its writable section begin; None without such a header.

    arch/arm64/kernel/efi-header.S, Linux 5.10 to 7.3: `.data` is all from `__initdata_begin` on.
    """
    at = int.from_bytes(image[_PE_AT : _PE_AT + 4], "little")
    if image[:2] != b"MZ" or image[at : at + 4] != b"PE\0\0":
        return None
    sections, optional = struct.unpack_from("<2xH12xH", image, at + 4) if at + 24 <= len(image) else (0, 0)
    first = at + _PE_HEADER + optional
    for number in range(min(sections, _MOST_SECTIONS)):
        header = image[first + _PE_SECTION * number :][:_PE_SECTION]
        if len(header) == _PE_SECTION and struct.unpack_from("<I", header, 36)[0] & _PE_WRITABLE:
            return int(struct.unpack_from("<I", header, 12)[0])
    return None
