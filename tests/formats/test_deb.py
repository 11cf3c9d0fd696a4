"""Packages made by dpkg-deb and by Python's tarfile, read back; and bytes that are no package."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import importlib.util
import io
import lzma
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.archives.deb import DebReader
from bootwright.formats.archives.tarstream import read_tar
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes, FileBytes
from bootwright.formats.sources.streams import Decompressed, SourceStream, compression, everything
from bootwright.foundation.errors import Malformed, Refused

LONG = "a/" + "long-directory-name/" * 9 + "file"
FILES = {"boot/vmlinuz": b"image" * 5000, "usr/empty": b"", LONG: b"deep", "usr/ünïcode": b"u"}


def members(deb: DebReader) -> dict[str, bytes]:
    return {
        member.name: everything(content, limit=1 << 24, where="test")
        for member, content in deb.files()
        if member.kind == "file"
    }


def ar(parts: list[tuple[str, bytes]]) -> bytes:
    out = b"!<arch>\n"
    for name, data in parts:
        out += f"{name:16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data):<10}`\n".encode() + data
        out += b"\n" * (len(data) % 2)
    return out


def tar(files: dict[str, bytes], style: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=style) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def deb(data: bytes, suffix: str) -> bytes:
    control = gzip.compress(
        tar({"control": b"Package: x\nVersion: 1-1\n", "md5sums": b"0" * 32 + b"  boot/vmlinuz\n"})
    )
    return ar([("debian-binary", b"2.0\n"), ("control.tar.gz", control), (f"data.tar{suffix}", data)])


def opened(data: bytes) -> DebReader:
    return DebReader(SourceStream(Bytes(data, "test.deb")), "test.deb")


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is the reference")
@pytest.mark.parametrize("method", ["xz", "gzip", "zstd", "none"])
def test_what_dpkg_deb_builds(tmp_path: Path, method: str) -> None:
    root = tmp_path / "root"
    for name, data in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    (root / "usr/link").symlink_to("../boot/vmlinuz")
    control = (
        "Package: linux-image-x\nVersion: 6.12-1\nArchitecture: arm64\nMaintainer: x <x@y>\nDescription: d\n"
    )
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(control)
    sums = "".join(
        f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {name}\n" for name, data in FILES.items()
    )
    (root / "DEBIAN/md5sums").write_text(sums)
    built = tmp_path / "x.deb"
    done = subprocess.run(
        ["dpkg-deb", "--root-owner-group", f"-Z{method}", "-b", root, built], capture_output=True, check=False
    )
    if b"unknown compression" in done.stderr:
        pytest.skip(f"this dpkg-deb has no {method}")
    assert done.returncode == 0, done.stderr
    reader = DebReader(SourceStream(FileBytes(built)), str(built))
    assert reader.field("package") == "linux-image-x"
    assert reader.md5sums["usr/empty"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert members(reader) == FILES


@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
@pytest.mark.parametrize(
    ("suffix", "pack"),
    [
        ("", bytes),
        (".gz", gzip.compress),
        (".xz", lzma.compress),
        (".bz2", bz2.compress),
        (".lzma", lambda data: lzma.compress(data, lzma.FORMAT_ALONE)),
        (".zst", zstandard.ZstdCompressor().compress),
    ],
)
def test_each_compression_and_tar_style(suffix: str, pack: object, style: int) -> None:
    packed = pack(tar(FILES, style))  # type: ignore[operator]
    assert members(opened(deb(packed, suffix))) == FILES


def test_no_more_is_read_than_asked_for() -> None:
    stream = SourceStream(Bytes(deb(tar({"a": b"1" * 4096, "b": bytes(1 << 22)}), ""), "x"))
    reader = DebReader(stream, "x")
    for member, content in reader.files():
        assert member.name == "a"
        everything(content, limit=5000, where="x")
        break
    assert stream._offset < 20_000


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/../x", "a/.."])
def test_a_name_that_leaves_the_root(name: str) -> None:
    with pytest.raises(Malformed, match="below the archive's root"):
        members(opened(deb(tar({name: b"x"}), "")))


def test_absolute_names_are_taken_as_below_the_root() -> None:
    assert list(members(opened(deb(tar({"/etc/passwd": b"x"}), "")))) == ["etc/passwd"]


@pytest.mark.parametrize("cut", [0, 4, 60, 70, 200, 400, -300, -100, -2])
def test_truncated(cut: int) -> None:
    whole = deb(lzma.compress(tar(FILES)), ".xz")
    with pytest.raises(Malformed):
        members(opened(whole[:cut]))


def test_decompression_bombs() -> None:
    for kind, packed in (
        ("xz", lzma.compress(bytes(1 << 24))),
        ("gzip", gzip.compress(bytes(1 << 24))),
        ("bzip2", bz2.compress(bytes(1 << 24))),
        ("zstd", zstandard.ZstdCompressor(level=19).compress(bytes(1 << 24))),
    ):
        stream = Decompressed(SourceStream(Bytes(packed, kind)), kind, kind, limit=1 << 20)
        with pytest.raises(Malformed, match="at most 1048576 bytes"):
            everything(stream, limit=1 << 30, where=kind)


def test_several_streams_one_after_the_other() -> None:
    data = lzma.compress(b"one") + bytes(8) + lzma.compress(b"two")
    assert (
        everything(Decompressed(SourceStream(Bytes(data, "x")), "xz", "x", limit=99), limit=99, where="x")
        == b"onetwo"
    )
    data = gzip.compress(b"one") + gzip.compress(b"two")
    assert (
        everything(Decompressed(SourceStream(Bytes(data, "x")), "gzip", "x", limit=99), limit=99, where="x")
        == b"onetwo"
    )


@given(st.binary(max_size=20_000), st.sampled_from(["xz", "gzip", "bzip2", "lzma", "zstd"]))
@settings(max_examples=40, deadline=None)
def test_what_was_compressed_comes_out_in_any_steps(data: bytes, kind: str) -> None:
    packed = {
        "xz": lzma.compress,
        "gzip": gzip.compress,
        "bzip2": bz2.compress,
        "lzma": lambda plain: lzma.compress(plain, lzma.FORMAT_ALONE),
        "zstd": zstandard.ZstdCompressor().compress,
    }[kind](data)
    stream = Decompressed(SourceStream(Bytes(packed, kind)), kind, kind, limit=1 << 20)
    out = b""
    while piece := stream.read(777):
        out += piece
    assert out == data
    assert compression(packed) in {kind, None}


def _one_input(data: bytes) -> None:
    path = Path(__file__).parents[2] / "fuzz/fuzz_deb.py"
    spec = importlib.util.spec_from_file_location("fuzz_deb", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.one_input(data)


@given(st.binary(max_size=2000))
@example(b"!<arch>\n")
@settings(max_examples=60, deadline=None)
def test_any_bytes(data: bytes) -> None:
    _one_input(data)
    _one_input(ar([("debian-binary", b"2.0\n"), ("control.tar", data), ("data.tar", data)]))


GOOD = deb(lzma.compress(tar(FILES)), ".xz")
PLAIN = tar(FILES, tarfile.PAX_FORMAT)


@given(
    st.sampled_from([GOOD, PLAIN]),
    st.lists(st.tuples(st.integers(0, 12_000), st.integers(0, 255)), max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_changed_bytes(whole: bytes, changes: list[tuple[int, int]]) -> None:
    data = bytearray(whole)
    for at, value in changes:
        data[at % len(data)] = value
    _one_input(bytes(data))


def test_sizes_beyond_reason() -> None:
    header = bytearray(tar({"x": b""})[:512])
    header[124:136] = b"\x80" + b"\xff" * 11
    checksum = sum(header) - sum(header[148:156]) + 8 * 32
    header[148:156] = f"{checksum:06o}\0 ".encode()
    with pytest.raises(Malformed, match="below 1 TiB"):
        list(read_tar(SourceStream(Bytes(bytes(header), "x")), "x"))


def test_deep_names_do_not_fill_the_memory() -> None:
    """Each member here is as many directories as its name has parts, and each keeps its whole path."""
    deep = (Member("/".join([f"{n}", *["d" * 60] * 60]), EntryKind.FILE, 0) for n in range(100_000))
    with pytest.raises(Refused, match="names take"):
        ArchiveTree("x", "tar", deep)
    assert next(deep, None) is not None
