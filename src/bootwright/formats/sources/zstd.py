"""Zstandard (RFC 8878), by the library that the Python at hand has.

`zstandard` where it is installed; else `compression.zstd`, which Python has since 3.14 and which serves in a
browser. What a frame's header says is read here, alike for both.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any, TypeAlias

from attrs import frozen

MAGIC = b"\x28\xb5\x2f\xfd"
MOST_HEADER = 18
"""Bytes of the longest frame header."""
_MOST_WINDOW = 1 << 27
_STEP = 256
"""A block is at most 128 KiB of output (RFC 8878, 3.1.1.2.4) and may be 4 bytes of input."""


@frozen
class FrameHeader:
    """What a frame says of itself before its first block (RFC 8878, 3.1.1.1)."""

    size: int
    """Bytes of the header, magic number included."""
    content_size: int | None
    """Bytes of the content; None where it is not told."""
    has_checksum: bool
    """Whether four bytes follow the last block."""


def frame_header(data: bytes) -> FrameHeader | None:
    """The header that `data` begins with; None where it is none, or not whole."""
    if data[:4] != MAGIC or len(data) < 5:
        return None
    descriptor = data[4]
    single_segment = bool(descriptor & 0x20)
    at = 5 + (0 if single_segment else 1) + (0, 1, 2, 4)[descriptor & 3]
    width = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    if descriptor & 0x08 or len(data) < at + width:
        return None
    size = int.from_bytes(data[at : at + width], "little") + (256 if width == 2 else 0)
    return FrameHeader(at + width, size if width else None, bool(descriptor & 0x04))


def decoder(*, window: int) -> Decoder:
    """A decoder of one frame that refuses a window of more than `window` bytes, a power of two.

    It has the manners of `lzma.LZMADecompressor`; broken data raises `ValueError`.
    """
    package = _package()
    return _Standard(_standard(), window) if package is None else _Package(package, window)


def content(frame: bytes, *, most: int) -> bytes:
    """The content, of at most `most` bytes, of bytes that are one frame; raises `ValueError`."""
    header = frame_header(frame)
    if header is None:
        raise ValueError("no zstd frame")
    if (header.content_size or 0) > most:
        raise ValueError(f"{header.content_size} bytes of content, more than {most}")
    package = _package()
    if package is not None and header.content_size is not None:
        try:  # in one go, which is faster by far than a decoder's steps
            data: bytes = package.ZstdDecompressor().decompress(frame, allow_extra_data=False)
        except package.ZstdError as error:
            raise ValueError(str(error)) from error
        return data
    whole = decoder(window=_MOST_WINDOW)
    data = whole.decompress(frame, most + 1)
    if len(data) > most:
        raise ValueError(f"more than {most} bytes of content")
    if not whole.eof or whole.unused_data:
        raise ValueError("the frame ends elsewhere")
    return data


def compressed(data: bytes, *, level: int) -> bytes:
    """`data` as one frame that tells its size."""
    package = _package()
    packed: bytes = (
        _standard().compress(data, level)
        if package is None
        else package.ZstdCompressor(level=level).compress(data)
    )
    return packed


@cache
def _package() -> Any:  # noqa: ANN401 - a module, or None
    try:
        return importlib.import_module("zstandard")
    except ModuleNotFoundError:
        return None


def _standard() -> Any:  # noqa: ANN401 - a module that Pythons before 3.14 do not have
    return importlib.import_module("compression.zstd")


class _Standard:
    """`compression.zstd`, which has the manners already."""

    def __init__(self, library: Any, window: int) -> None:  # noqa: ANN401
        self._error = library.ZstdError
        limit = {library.DecompressionParameter.window_log_max: window.bit_length() - 1}
        self._frame = library.ZstdDecompressor(options=limit)

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def needs_input(self) -> bool:
        return bool(self._frame.needs_input)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        try:
            content: bytes = self._frame.decompress(data, max_length)
        except self._error as error:
            raise ValueError(str(error)) from error
        return content


class _Package:
    """`zstandard`, which gives all output of its input at once: it is fed little by little."""

    def __init__(self, package: Any, window: int) -> None:  # noqa: ANN401
        self._error = package.ZstdError
        self._frame = package.ZstdDecompressor(max_window_size=window).decompressobj()
        self._waiting = b""

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return bytes(self._frame.unused_data) + self._waiting

    def decompress(self, data: bytes, max_length: int) -> bytes:
        waiting = memoryview(self._waiting + data)
        pieces: list[bytes] = []
        total = used = 0
        try:
            while used < len(waiting) and total < max_length and not self._frame.eof:
                pieces.append(self._frame.decompress(bytes(waiting[used : used + _STEP])))
                total += len(pieces[-1])
                used += _STEP
        except self._error as error:
            raise ValueError(str(error)) from error
        self._waiting = bytes(waiting[used:])
        return b"".join(pieces)


Decoder: TypeAlias = _Standard | _Package
