"""Symbol names and addresses from the table inside an uncompressed kernel Image.

`scripts/kallsyms.c` writes it: names compressed with 256 tokens, a marker for every 256th name, and
32-bit offsets from a relative base. Linux 6.4 moved the offsets behind the token index (commit
404bad70fcf7); earlier kernels have them first; from about 7.3 each is relative to its own place instead of
a base. In 6.2 and 6.3, and in 6.1 from the stable release that took it over, the names' alphabetical order
(`kallsyms_seqs_of_names`, three bytes a name) stands between markers and tokens (commit 60443c88f3a8). All
four are read. Nothing in the Image points to the table, so it is found by the only long constant part of it:
the tokens `0` to `9`, which stand for themselves.

An Image whose linker left its pointers out has no relative base either: `kernel_relocations` puts it there.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterator
from itertools import islice, pairwise, product
from operator import le

from attrs import frozen

from bootwright.foundation.errors import Malformed

_DIGITS = b"".join(b"%d\0" % digit for digit in range(10))
_ALIGNMENTS = (8, 4)
"""Bytes: parts of the table begin at multiples of 8; of 4 in kernels from about 7.3."""
_MAX_SYMBOLS = 1_000_000
"""Debian's arm64 kernels have about 250,000."""
_MAX_TEXT = 128 << 20
"""Characters of all names together; 7 million in Debian's."""
_REGION = 128 << 20
_MOST_TEXT_OFFSET = 2 << 20
"""Bytes: booting.rst."""
_LONGEST_CHUNK = 256 * 600
"""Bytes of 256 packed names."""
_PADDING = 8
_MOST_MARKERS = 4
"""Rising rows of numbers that are looked at as markers; in a kernel the first or second is."""
_MOST_BETWEEN = (4 + 3 * 256) * (_MAX_SYMBOLS // 256)
"""Bytes from the first marker to the tokens: markers, and the order of all names."""
_MAX_PLACES = 1000
"""Places that look like the tokens' start; there are a handful in a kernel."""


FUNCTION_KINDS = "tTwW"
"""nm's letters of code; the two weak ones may be data too."""


@frozen
class Symbols:
    """Symbols in address order. `addresses[i]` belongs to `names[i]`; `types[i]` is nm's letter."""

    addresses: list[int]
    types: str
    names: list[str]
    base: int
    """The virtual address of the Image's first byte (`_text`)."""

    def __len__(self) -> int:
        return len(self.addresses)

    def __iter__(self) -> Iterator[tuple[int, str, str]]:
        return zip(self.addresses, self.types, self.names, strict=True)


def read_symbols(image: bytes, name: str) -> Symbols:
    """The symbol table of an Image held in memory.

    Raises `Malformed` where there is none (CONFIG_KALLSYMS off, or the Image is still compressed) or
    where its parts contradict each other.
    """
    start, tokens, index_end = _token_table(image, name)
    count_at, count, names_at = _names_block(image, start, name)
    types, names = _expand(image, names_at, count, tokens, name)
    offsets, base = _fitting(image, names, _offsets(image, index_end, count_at, count), index_end, name)
    addresses = [base + offset for offset in offsets]
    return Symbols(addresses=addresses, types=types, names=names, base=_image_base(image, base))


def _image_base(image: bytes, base: int) -> int:
    """The address of the Image's first byte, from the relative base: the lowest address that has a symbol.

    That is `_text`, or with functions only what comes 64 KiB behind it. The image begins where the modules'
    region ends, at a multiple of 128 MiB, and at the header's text_offset (0 since 5.8) behind that.
    """
    offset = int.from_bytes(image[8:16], "little") if image[56:60] == b"ARM\x64" else 0
    return (base & -_REGION) + (offset if offset < _MOST_TEXT_OFFSET else 0)


def _token_table(image: bytes, name: str) -> tuple[int, list[bytes], int]:
    at = -1
    for _ in range(_MAX_PLACES):
        at = image.find(_DIGITS, at + 1)
        if at < 0:
            break
        tokens = _tokens(image, at)
        if tokens is not None:
            return tokens
    raise Malformed(
        name,
        None,
        "a kallsyms token table",
        "none",
        hint="the kernel was built without CONFIG_KALLSYMS, or the image is compressed",
    )


def _tokens(image: bytes, digits_at: int) -> tuple[int, list[bytes], int] | None:
    """(start of the token table, the 256 tokens, end of the token index), or None if it is not one."""
    at = digits_at
    tail: list[bytes] = []
    for _ in range(ord("0"), 256):
        end = image.find(b"\0", at, at + 64)
        if end < 0:
            return None
        tail.append(image[at:end])
        at = end + 1
    for alignment in _ALIGNMENTS:
        index_at = _aligned(at, alignment)
        raw = image[index_at : index_at + 512]
        if len(raw) < 512:
            return None
        index = _array("H", raw)
        start = digits_at - index[ord("0")]
        if index[0] != 0 or start < 0:
            continue
        tokens = [_c_string(image, start + position) for position in index]
        if tokens[ord("0") :] == tail:
            return start, tokens, index_at + 512
    return None


def _c_string(image: bytes, at: int) -> bytes:
    end = image.find(b"\0", at, at + 64)
    return image[at:end] if end >= 0 else b""


def _names_block(image: bytes, tokens_at: int, name: str) -> tuple[int, int, int]:
    """(position of kallsyms_num_syms, the number, position of the names), found backwards from the tokens.

    Before the tokens come the markers: 32-bit, rising, the first 0; in some kernels the names' order stands
    between.
    """
    first = max(0, tokens_at - _MOST_BETWEEN) & ~3
    words = _array("I", image[first : tokens_at & ~3])
    problem = Malformed(name, tokens_at, "kallsyms markers before the token table", "none")
    for at, chunks in islice(_markers(words, tokens_at - first), _MOST_MARKERS):
        try:
            return _count_and_names(image, first + 4 * at, chunks, words[at + chunks - 1], name)
        except Malformed as error:
            problem = error
    raise problem


def _markers(words: array[int], end: int) -> Iterator[tuple[int, int]]:
    """Where markers may stand: (index of the first, how many); `end` is where the tokens start, in bytes."""
    at = len(words) - 1
    while at >= 0 and words[at] == 0:  # padding up to the alignment of the token table
        at -= 1
    final = at
    while at > 0 and words[at - 1] < words[at]:
        at -= 1
        if words[at] == 0:
            break
    if at >= 0 and words[at] == 0 and final > at:
        yield at, final - at + 1
    # Before the names' order: one marker and three times 256 bytes for every 256 names.
    for at in range(len(words) - 2, -1, -1):
        if words[at] == 0 and 0 < words[at + 1] < _LONGEST_CHUNK:
            chunks = -(-(end - 4 * at - 2 * _PADDING) // (4 + 3 * 256))
            for number in (chunks, chunks + 1):
                if number >= 2 and _rises(words, at, number):
                    yield at, number


def _rises(words: array[int], at: int, number: int) -> bool:
    part = words[at : at + number]
    return len(part) == number and all(0 < other - place < _LONGEST_CHUNK for place, other in pairwise(part))


def _count_and_names(
    image: bytes, markers_at: int, chunks: int, last: int, name: str
) -> tuple[int, int, int]:
    # The last marker is where names 256 * (chunks - 1) onwards start; at most 256 names of < 16 KiB follow.
    lowest = markers_at - last - _LONGEST_CHUNK - 64
    position = (markers_at - last - 16) & ~3
    while position > max(lowest, 0):
        count = int.from_bytes(image[position : position + 4], "little")
        if 256 * (chunks - 1) < count <= 256 * chunks and count <= _MAX_SYMBOLS:
            for alignment in _ALIGNMENTS:
                names_at = _aligned(position + 4, alignment)
                end = _skip(image, names_at + last, count - 256 * (chunks - 1), markers_at)
                if end is not None and _aligned(end, alignment) == markers_at:
                    return position, count, names_at
        position -= 4
    raise Malformed(name, markers_at, "a symbol count that agrees with the markers", "none")


def _skip(image: bytes, at: int, count: int, limit: int) -> int | None:
    for _ in range(count):
        if at >= limit:
            return None
        length = image[at]
        at += 1
        if length & 0x80:  # two bytes for long names, since 6.1
            length = (length & 0x7F) | (image[at] << 7)
            at += 1
        at += length
    return at if at <= limit else None


def _fitting(
    image: bytes, names: list[str], layouts: Iterator[tuple[array[int], int]], at: int, name: str
) -> tuple[array[int], int]:
    """The layout that puts `_end`, and nothing behind it, where the header says the image ends.

    That is image_size, at 16 (Documentation/arch/arm64/booting.rst). Read a word too early or too late,
    offsets still rise, and give each symbol its neighbour's address: Debian's 7.2.12 has them at a place that
    is no multiple of 8.
    """
    first = None
    size = int.from_bytes(image[16:24], "little") if image[56:60] == b"ARM\x64" else None
    end = names.index("_end") if size is not None and "_end" in names else None
    for layout in layouts:
        if end is None or layout[0][end] == layout[0][-1] == size:
            return layout
        first = first or layout
    if first is None:
        raise Malformed(name, at, "kallsyms offsets and their base", "no known layout fits")
    return first


def _offsets(image: bytes, after: int, count_at: int, count: int) -> Iterator[tuple[array[int], int]]:
    """Every layout that is possible: (offset of each symbol from the base, the base)."""
    for alignment in _ALIGNMENTS:
        size = _aligned(4 * count, alignment)
        for at, base_alignment in product((_aligned(after, alignment), count_at - 8 - size), _ALIGNMENTS):
            base_at = _aligned(at + 4 * count, base_alignment)
            if at < 0 or base_at + 8 > len(image):
                continue
            base = int.from_bytes(image[base_at : base_at + 8], "little")
            offsets = _array("I", image[at : at + 4 * count])
            # Kernel addresses have all high bits set; symbols are sorted by address.
            if base >> 47 == 0x1FFFF and all(map(le, offsets, offsets[1:])):
                yield offsets, base
        at = _aligned(after, alignment)
        relative = _array("i", image[at : at + 4 * count])
        if len(relative) == count:
            places = array("Q", (max(at + 4 * i + offset, 0) for i, offset in enumerate(relative)))
            if places[0] == 0 and all(place <= other for place, other in pairwise(places)):
                yield places, _base_by_pointers(image, places[-1])


def _base_by_pointers(image: bytes, end: int) -> int:
    """The address of `_text` where the table does not give it: what most pointers in the Image agree on.

    Link addresses begin at a multiple of 2 GiB (KIMAGE_VADDR, arch/arm64/include/asm/memory.h).
    """
    words = _array("Q", image[: min(end, len(image)) & ~7])
    votes = Counter(word >> 31 for word in words if word >> 47 == 0x1FFFF)
    return votes.most_common(1)[0][0] << 31 if votes else 0


def _expand(image: bytes, at: int, count: int, tokens: list[bytes], where: str) -> tuple[str, list[str]]:
    text = [token.decode("ascii", "backslashreplace") for token in tokens]
    lookup = text.__getitem__
    types: list[str] = []
    names: list[str] = []
    end = len(image) - 2
    total = 0
    for _ in range(count):
        if at > end or total > _MAX_TEXT:
            raise Malformed(where, at, f"{count} symbol names", "the end of the image, or far too long ones")
        length = image[at]
        at += 1
        if length & 0x80:
            length = (length & 0x7F) | (image[at] << 7)
            at += 1
        name = "".join(map(lookup, image[at : at + length]))
        at += length
        total += len(name)
        types.append(name[:1] or "?")
        names.append(name[1:])
    return "".join(types), names


def _array(code: str, raw: bytes) -> array[int]:
    values: array[int] = array(code)
    values.frombytes(raw[: len(raw) - len(raw) % values.itemsize])  # an image may be cut off
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _aligned(value: int, alignment: int) -> int:
    return (value + alignment - 1) & -alignment
