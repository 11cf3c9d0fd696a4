"""Blocks of LZ4 and LZO1X without a frame around them, as squashfs stores them.

In Python, since neither has a decoder in its library and squashfs keeps thousands of small blocks: about
10 MB/s, enough for the files that are looked at. LZ4: the LZ4 block format description (lz4_Block_format.md
of lz4 1.10). LZO1X: the stream format as the kernel describes it (Documentation/staging/lzo.rst, Linux
6.12), bitstream version 0. Both raise `ValueError` for anything else, and beyond `most` bytes.
"""

from __future__ import annotations


def lz4_block(data: bytes, most: int) -> bytes:
    """The bytes of one LZ4 block: literals and matches in turn, literals last."""
    out = bytearray()
    at, end = 0, len(data)
    try:
        while at < end:
            token = data[at]
            at += 1
            length = token >> 4
            if length == 15:
                length, at = _extended(length, data, at)
            if at + length > end:
                raise ValueError("literals beyond the block")
            out += data[at : at + length]
            at += length
            if at == end:
                break
            distance = data[at] | data[at + 1] << 8
            at += 2
            length = token & 15
            if length == 15:
                length, at = _extended(length, data, at)
            _repeat(out, distance, length + 4, most)
    except IndexError:
        raise ValueError("the block ends inside a sequence") from None
    if len(out) > most:
        raise ValueError(f"more than {most} bytes")
    return bytes(out)


def lzo1x(data: bytes, most: int) -> bytes:  # noqa: PLR0915 - one loop, for speed
    """The bytes of one LZO1X stream up to its end mark, which must be the end of `data`."""
    out = bytearray()
    at = state = 0
    """How many literals followed the last match; 4 or more: after a run of literals."""
    try:
        if data[0] > 17:
            state = data[0] - 17
            at = 1 + state
            out += data[1:at]
        while True:
            code = data[at]
            at += 1
            if code < 16 and state == 0:
                length = code or 15
                if not code:
                    length, at = _zeros(length, data, at)
                length += 3
                if at + length > len(data):
                    raise ValueError("literals beyond the stream")
                out += data[at : at + length]
                at += length
                state = 4
                if len(out) > most:
                    raise ValueError(f"more than {most} bytes")
                continue
            if code >= 64:
                distance = (data[at] << 3) + (code >> 2 & 7) + 1
                length = (code >> 5) + 1
                at += 1
            elif code >= 16:
                mask = 31 if code >= 32 else 7
                length = code & mask
                if not length:
                    length, at = _zeros(mask, data, at)
                length += 2
                code, high = data[at] | data[at + 1] << 8, (code & 8) << 11
                at += 2
                distance = (code >> 2) + (1 if mask == 31 else 16384 + high)
                if distance == 16384 and mask == 7:
                    break
            else:
                length = 3 if state >= 4 else 2
                distance = (data[at] << 2) + (code >> 2) + (2049 if state >= 4 else 1)
                at += 1
            _repeat(out, distance, length, most)
            state = code & 3
            if state:
                if at + state > len(data):
                    raise ValueError("literals beyond the stream")
                out += data[at : at + state]
                at += state
    except IndexError:
        raise ValueError("the stream ends without its mark") from None
    if at != len(data) or len(out) > most:
        raise ValueError("an end mark at the end" if at != len(data) else f"more than {most} bytes")
    return bytes(out)


def _extended(length: int, data: bytes, at: int) -> tuple[int, int]:
    """LZ4: further bytes are added up to the first that is not 255."""
    while True:
        more = data[at]
        at += 1
        length += more
        if more != 255:
            return length, at


def _zeros(length: int, data: bytes, at: int) -> tuple[int, int]:
    """LZO: each zero byte stands for 255, the byte after them is added."""
    start = at
    while data[at] == 0:
        at += 1
    return length + (at - start) * 255 + data[at], at + 1


def _repeat(out: bytearray, distance: int, length: int, most: int) -> None:
    """Copy `length` bytes from `distance` before the end; they may reach into what is being copied."""
    start = len(out) - distance
    if start < 0 or not distance:
        raise ValueError(f"a match {distance} bytes back, before the start")
    if len(out) + length > most:
        raise ValueError(f"more than {most} bytes")
    if distance >= length:
        out += out[start : start + length]
    else:
        piece = bytes(out[start:])
        out += (piece * (length // distance + 1))[:length]
