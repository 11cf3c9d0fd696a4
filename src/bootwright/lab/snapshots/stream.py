"""QEMU's stream of a machine's state, without the pages that hold nothing but zeros.

A new emulator's memory is zero already, so such pages say nothing; reading them costs: `virt` has 128 MiB of
flash, which is written as 32,768 pages of zeros. Form: QEMU 7.2 migration/savevm.c (sections) and
migration/ram.c (pages); integers are big-endian. What is not of this form is left as it is.
"""

from __future__ import annotations

import struct

_PAGE_BITS = b"\x05\x1econfiguration/target-page-bits\0\0\0\1"
_LEAST_PAGE_BITS = 10
"""TARGET_PAGE_BITS_MIN of target/arm: a machine with larger pages says so, and has more bits for flags."""
_START, _PART, _END, _FOOTER = 1, 2, 3, 0x7E
_RAM = b"\x03ram" + bytes(4) + b"\0\0\0\x04"
"""Name, instance 0 and version 4 of memory's section."""
_ZERO, _SIZE, _BYTES, _EOS, _AGAIN = 0x02, 0x04, 0x08, 0x10, 0x20
"""RAM_SAVE_FLAG_…: a page of one byte, sizes, a page, the end of a part, of the same block as before."""
_NUMBER = struct.Struct(">Q")
_ID = struct.Struct(">I")


def without_zero_pages(stream: bytes) -> bytes:
    """The stream with memory's pages of zeros left out; as it is where it has another form."""
    try:
        return _without(stream)
    except (struct.error, IndexError, ValueError):
        return stream


def _without(stream: bytes) -> bytes:
    named = stream.index(_RAM)
    first = named - 1 - _ID.size
    if first < 0 or stream[first] != _START:
        raise ValueError
    identity = stream[first + 1 : named]
    page = _page_size(stream[:first])
    at = _behind_footer(stream, _behind_sizes(stream, named + len(_RAM), page), identity)
    kept = [stream[:at]]
    while stream[at] in {_PART, _END}:
        kind = stream[at]
        if stream[at + 1 : at + 1 + _ID.size] != identity:
            raise ValueError
        begin = at + 1 + _ID.size
        pages, behind = _pages(stream, begin, page)
        at = _behind_footer(stream, behind, identity)
        kept += [stream[begin - 1 - _ID.size : begin], pages, stream[behind:at]]
        if kind == _END:
            break
    else:
        raise ValueError
    return b"".join((*kept, stream[at:]))


def _page_size(configuration: bytes) -> int:
    at = configuration.find(_PAGE_BITS)
    bits = _LEAST_PAGE_BITS if at < 0 else _ID.unpack_from(configuration, at + len(_PAGE_BITS))[0]
    if not _LEAST_PAGE_BITS <= bits <= 16:
        raise ValueError
    return 1 << int(bits)


def _behind_sizes(stream: bytes, at: int, page: int) -> int:
    """Where the list of memory's blocks ends: each is a name, a length, an address (`x-ignore-shared`)."""
    (total,) = _NUMBER.unpack_from(stream, at)
    if total & (page - 1) != _SIZE:
        raise ValueError
    left, at = total - _SIZE, at + _NUMBER.size
    while left > 0:
        at += 1 + stream[at]
        left -= _NUMBER.unpack_from(stream, at)[0]
        at += 2 * _NUMBER.size
    if left or _NUMBER.unpack_from(stream, at)[0] != _EOS:
        raise ValueError
    return at + _NUMBER.size


def _pages(stream: bytes, at: int, page: int) -> tuple[bytes, int]:
    """A part's pages that are not zeros, and where it ends in the stream."""
    kept = bytearray()
    block = last_kept = b""
    while True:
        (word,) = _NUMBER.unpack_from(stream, at)
        at += _NUMBER.size
        flags = word & (page - 1)
        if flags == _EOS:
            return bytes(kept + _NUMBER.pack(_EOS)), at
        if not flags & _AGAIN:
            length = 1 + stream[at]
            block, at = stream[at : at + length], at + length
        kind = flags & ~_AGAIN
        if kind not in {_ZERO, _BYTES} or not block:
            raise ValueError
        size = 1 if kind == _ZERO else page
        content, at = stream[at : at + size], at + size
        if len(content) != size:
            raise ValueError
        if kind == _ZERO and content == b"\0":
            continue
        same = block == last_kept
        kept += _NUMBER.pack(word & ~_AGAIN | (_AGAIN if same else 0)) + (b"" if same else block) + content
        last_kept = block


def _behind_footer(stream: bytes, at: int, identity: bytes) -> int:
    if stream[at : at + 1 + _ID.size] != bytes([_FOOTER]) + identity:
        raise ValueError
    return at + 1 + _ID.size
