"""Images made by booting.rst, in every wrapping that kernels come in."""

from __future__ import annotations

import gzip
import importlib.util
import lzma
import struct
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.kernel import arm64_image
from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.sources import streams
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.streams import CHUNK, Recent, Stream, everything
from bootwright.foundation.errors import Malformed

BANNER = (
    b"Linux version 6.18.5+deb13-arm64-16k (builder@host) (gcc (Debian 14.2) 14.2, ld 2.44) #1 SMP 2026\n\0"
)


def image(flags: int = 0b1100, banner: bytes = BANNER, pad: int = 5000, stub: bool = True) -> bytes:
    head = (b"MZ" if stub else b"\x1f\x20") + bytes(6)
    head += struct.pack("<QQQ", 0x80000, 1 << 20, flags) + bytes(24) + b"ARM\x64" + struct.pack("<I", 64)
    return head + b"PE\0\0" + bytes(pad) + b"Linux version %s (%s)\0" + banner + bytes(1000)


def zboot(payload: bytes, kind: bytes, size: int | None = None, offset: int = 512) -> bytes:
    """By drivers/firmware/efi/libstub/zboot-header.S."""
    head = (
        b"MZ\0\0zimg" + struct.pack("<II", offset, len(payload) if size is None else size) + bytes(8) + kind
    )
    head = head.ljust(56, b"\0") + struct.pack("<II", 0x818223CD, 64)
    return head.ljust(offset, b"\0") + payload + bytes(16)


def read(data: bytes):  # type: ignore[no-untyped-def] # noqa: ANN201
    return read_kernel_image(Bytes(data, "Image"))


@pytest.mark.parametrize(("bits", "pages"), [(0, None), (1, 4096), (2, 16384), (3, 65536)])
def test_header(bits: int, pages: int | None) -> None:
    facts = read(image(flags=bits << 1 | 8))
    assert facts.page_size == pages
    assert facts.release == "6.18.5+deb13-arm64-16k"
    assert facts.banner == BANNER.rstrip(b"\n\0").decode()
    assert (facts.text_offset, facts.image_size) == (0x80000, 1 << 20)
    assert facts.anywhere
    assert not facts.big_endian
    assert facts.efi_stub
    assert facts.wrapping == ()
    assert facts.file_size == len(image())


def test_without_stub_and_without_banner() -> None:
    facts = read(image(flags=1, banner=b"", stub=False))
    assert not facts.efi_stub
    assert not facts.anywhere
    assert facts.big_endian
    assert facts.release is None


@pytest.mark.parametrize("shift", [-30, -1, 0, 1, 40])
def test_a_banner_across_a_reading_boundary(shift: int) -> None:
    assert read(image(pad=CHUNK - 150 + shift)).release == "6.18.5+deb13-arm64-16k"


WRAPPED = {
    ("gzip",): gzip.compress(image()),
    ("xz",): lzma.compress(image()),
    ("zstd",): zstandard.ZstdCompressor().compress(image()),
    ("zboot",): zboot(zstandard.ZstdCompressor().compress(image()), b"zstd"),
    ("gzip", "zboot"): gzip.compress(zboot(gzip.compress(image()), b"gzip")),
}


@pytest.mark.parametrize("wrapping", WRAPPED, ids="+".join)
def test_wrappings(wrapping: tuple[str, ...]) -> None:
    bare, packing = unwrapped(Bytes(WRAPPED[wrapping], "vmlinuz"))
    assert packing == wrapping
    assert bare.read(0, bare.size) == image()
    assert read(WRAPPED[wrapping]).page_size == 16384


def test_what_was_read_a_moment_ago_is_not_decompressed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    times: list[str] = []

    def counted(stream: Stream, *, limit: int, where: str) -> bytes:
        times.append(where)
        return everything(stream, limit=limit, where=where)

    monkeypatch.setattr(arm64_image, "_RECENT", Recent(3 * len(image())))
    monkeypatch.setattr(streams, "everything", counted)
    packed = [gzip.compress(image(pad=5000 + number)) for number in range(4)]
    for data in (packed[0], packed[1], packed[0]):
        unwrapped(Bytes(data, "first"))
    bare, _ = unwrapped(Bytes(packed[0], "copy"))
    assert (len(times), bare.name, bare.read(0, bare.size)) == (2, "copy", image(pad=5000))
    # What is there no more is read anew, and damage is seen beside a copy that is sound.
    for data in (*packed[2:], packed[1]):
        unwrapped(Bytes(data, "others"))
    assert len(times) == 5
    with pytest.raises(Malformed):
        unwrapped(Bytes(packed[1][:-6] + bytes(6), "damaged"))


@pytest.mark.parametrize(
    ("kind", "pack"),
    [
        (b"xzkern", lzma.compress),
        (b"lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
        (b"gzip", gzip.compress),
    ],
)
def test_zboot_compressions(kind: bytes, pack: object) -> None:
    assert read(zboot(pack(image()), kind)).wrapping == ("zboot",)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "arm64 kernel image"),
        (b"\x7fELF" + bytes(100), "arm64 kernel image"),
        (b"#!/bin/sh\n" * 20, "arm64 kernel image"),
        (image()[:56], "arm64 kernel image"),
        (gzip.compress(image())[:-9], "the rest of the gzip data"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(image())))), "arm64 kernel image"),
        (zboot(b"x", b"lz4"), "gzip, xz, lzma or zstd"),
        (zboot(gzip.compress(image()), b"gzip", size=1 << 30), "within the file"),
        (zboot(gzip.compress(image()), b"gzip", offset=512)[:400], "within the file"),
        (b"MZ\0\0zimg" + bytes(10), "zboot header"),
    ],
)
def test_what_is_no_image(data: bytes, expected: str) -> None:
    with pytest.raises(Malformed) as caught:
        read(data)
    assert expected in caught.value.expected


def _one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_arm64_image.py"
    spec = importlib.util.spec_from_file_location("fuzz_arm64_image", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(st.binary(max_size=300))
@settings(max_examples=80, deadline=None)
def test_any_bytes(data: bytes) -> None:
    _one_input(data)
    _one_input(b"MZ\0\0zimg" + data)


@given(
    st.sampled_from([image(), *WRAPPED.values()]),
    st.lists(st.tuples(st.integers(0, 7000), st.integers(0, 255)), max_size=4),
    st.integers(0, 7000),
)
@settings(max_examples=120, deadline=None)
def test_changed_bytes(whole: bytes, changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(whole)
    for at, value in changes:
        data[at % len(data)] = value
    _one_input(bytes(data))
    _one_input(bytes(data[:cut]))
