"""What a zstd frame says of itself, held against the reference library; frames with a bound."""

from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from bootwright.formats.sources import zstd


@given(
    data=st.binary(max_size=2000).map(lambda data: data * 40),
    level=st.integers(1, 12),
    checksum=st.booleans(),
    tells_size=st.booleans(),
)
def test_a_header_is_what_the_library_reads(
    data: bytes, level: int, checksum: bool, tells_size: bool
) -> None:
    packer = zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=tells_size)
    frame = packer.compress(data)
    header = zstd.frame_header(frame)
    parameters = zstandard.get_frame_parameters(frame)
    assert header is not None
    assert header.size == zstandard.frame_header_size(frame)
    assert header.has_checksum == parameters.has_checksum
    unknown = zstandard.CONTENTSIZE_UNKNOWN
    assert header.content_size == (None if parameters.content_size == unknown else parameters.content_size)
    assert zstd.content(frame, most=len(data)) == data


@given(st.binary(max_size=40))
def test_any_bytes_are_a_header_or_none(data: bytes) -> None:
    for head in (data, zstd.MAGIC + data):
        header = zstd.frame_header(head)
        assert header is None or 5 < header.size <= zstd.MOST_HEADER


@pytest.mark.parametrize("tells_size", [True, False])
def test_content_has_a_bound_and_an_end(tells_size: bool) -> None:
    frame = zstandard.ZstdCompressor(write_content_size=tells_size).compress(bytes(100_000))
    with pytest.raises(ValueError, match="more than 99999"):
        zstd.content(frame, most=99_999)
    for broken in (frame[:-1], frame + b"x", b"", b"no frame at all"):
        with pytest.raises(ValueError):  # noqa: PT011 - whatever the library says
            zstd.content(broken, most=100_000)
    assert zstd.compressed(b"again", level=3)[:4] == zstd.MAGIC
