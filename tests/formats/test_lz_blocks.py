"""LZ4 and LZO blocks; whole images of them are compared with unsquashfs in test_squashfs."""

from __future__ import annotations

import contextlib
import shutil
import subprocess

import pytest
from disk_kit import fuzz_target
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.sources.lz_blocks import lz4_block, lzo1x

TEXT = b"".join(b"CONFIG_OPTION_%d=y\n" % number for number in range(3000)) + bytes(70000) + bytes(range(256))


def test_a_block_of_the_lz4_program() -> None:
    program = shutil.which("lz4")
    if program is None:
        pytest.skip("lz4 is the reference")
    command = [program, "-9", "--no-frame-crc", "-B7", "-c"]
    framed = subprocess.run(command, input=TEXT, capture_output=True, check=True).stdout
    # Magic number, flags, block size, header checksum; then the only block's size.
    header = 7 + (8 if framed[4] & 8 else 0)
    size = int.from_bytes(framed[header : header + 4], "little")
    assert lz4_block(framed[header + 4 : header + 4 + size], len(TEXT)) == TEXT


@pytest.mark.parametrize(
    ("stream", "meant"),
    [
        (b"\x15abcd\x11\0\0", b"abcd"),  # literals in the first byte
        (b"\x01abcd\x11\0\0", b"abcd"),  # a run of literals
        (b"\x15abcd\x2c\x0c\0\x11\0\0", b"abcd" * 4 + b"ab"),  # 32 … 63: 14 bytes from 4 before
        (b"\x15abcd\x6c\0\x11\0\0", b"abcdabcd"),  # 64 … 127: 4 bytes from 4 before
        (b"\x15abcd\x8e\0xy\x11\0\0", b"abcdabcdaxy"),  # 128 … 255: 5 bytes, two literals after them
    ],
)
def test_each_instruction(stream: bytes, meant: bytes) -> None:
    assert lzo1x(stream, 100) == meant
    for cut in range(len(stream)):
        with pytest.raises(ValueError, match=r"."):
            lzo1x(stream[:cut], 100)
    with pytest.raises(ValueError, match="more than"):
        lzo1x(stream, len(meant) - 1)


def test_matches_before_the_start_and_bombs_are_refused() -> None:
    for data in (b"\x10a\x02\0", b"\x10a\0\0"):
        with pytest.raises(ValueError, match="before the start"):
            lz4_block(data, 100)
    with pytest.raises(ValueError, match="more than"):
        lz4_block(b"\x1fa\x01\0" + b"\xff" * 4000 + b"\0", 4096)
    with pytest.raises(ValueError, match="before the start"):
        lzo1x(b"\x15abcd\x6c\x01\x11\0\0", 100)
    with pytest.raises(ValueError, match="more than"):
        lzo1x(b"\x12a\x20" + bytes(4000) + b"\x01\0\0\x11\0\0", 4096)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    fuzz_target("fuzz_lz_blocks")(data)
    for prefix in (b"\x15abcd", b"\x12a"):
        with contextlib.suppress(ValueError):
            assert len(lzo1x(prefix + data, 1000)) <= 1000
