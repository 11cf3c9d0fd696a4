from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import time
from pathlib import Path

import pytest
from attrs import evolve
from disk_kit import contents, fuzz_target, of_directory, opened, plant, tool
from hypothesis import given, settings
from hypothesis import strategies as st

from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.sources import spool, streams
from bootwright.formats.sources.bytesource import Bytes
from bootwright.formats.sources.compressed import Expansion, expand
from bootwright.formats.sources.streams import compression_of
from bootwright.formats.sources.xz_blocks import XzBlocks
from bootwright.foundation.errors import Malformed


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BOOTWRIGHT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def image(path: Path, size: int = 24 << 20) -> Path:
    """Some data here and there in a lot of zeros, as a disk image has."""
    with path.open("wb") as file:
        for number in range(12):
            file.seek(number * (size // 12) + 4096 * number)
            file.write(os.urandom(150_000))
        file.truncate(size + 333)
    return path


def pack(command: str, path: Path) -> Path:
    target = path.with_name(f"{path.name}.{command.split(maxsplit=1)[0]}")
    with target.open("wb") as file:
        name, *options = command.split()
        subprocess.run([tool(name), *options, "-c", path], stdout=file, check=True)
    return target


@pytest.mark.parametrize(
    "command",
    [
        "xz -T1 -1",
        "xz -0 --block-size=1MiB",
        "xz -T1 -0 --check=none",
        "zstd -3",
        "gzip",
        "bzip2",
        "lz4",
        "lz4 -l",
    ],
)
def test_any_part_of_the_expanded_file_can_be_read(tmp_path: Path, cache: Path, command: str) -> None:
    original = image(tmp_path / "disk.raw")
    source = expand(opened(pack(command, original)))
    data = original.read_bytes()
    assert source.size == len(data)
    for start in (0, 149_999, 1 << 20, (5 << 20) + 17, len(data) - 1000):
        assert source.read(start, 1000) == data[start : start + 1000]
    assert source.read(0, len(data)) == data
    with pytest.raises(Malformed):
        source.read(len(data), 1)
    kept = list((cache / "expanded").iterdir()) if (cache / "expanded").exists() else []
    if "block-size" in command:
        assert isinstance(source, XzBlocks)
        assert not kept
    else:
        # Zeros are holes, and the second time nothing is expanded.
        assert len(kept) == 1
        assert kept[0].stat().st_blocks * 512 < len(data) // 2
        before = kept[0].stat().st_ino
        again = expand(opened(pack(command, original)))
        assert again.read(0, len(data)) == data
        assert [path.stat().st_ino for path in (cache / "expanded").iterdir()] == [before]


def read_all(packed: Path) -> bytes:
    source = expand(opened(packed))
    return source.read(0, source.size)


@pytest.mark.parametrize("command", ["xz -0", "xz -0 --block-size=1MiB", "zstd", "gzip"])
def test_damage_and_truncation_are_one_clear_error(tmp_path: Path, cache: Path, command: str) -> None:
    packed = pack(command, image(tmp_path / "disk.raw"))
    data = packed.read_bytes()
    packed.write_bytes(data[: len(data) // 2])
    with pytest.raises(Malformed):
        read_all(packed)
    middle = len(data) // 2
    packed.write_bytes(data[:middle] + b"\xff\x00\xff\x00" * 8 + data[middle + 32 :])
    with pytest.raises(Malformed):
        read_all(packed)
    assert not list(cache.rglob("*.part"))


@pytest.mark.parametrize("command", ["xz -0", "xz -0 --block-size=1MiB", "zstd", "gzip"])
def test_a_bomb_is_stopped(tmp_path: Path, cache: Path, command: str) -> None:
    original = tmp_path / "zeros"
    with original.open("wb") as file:
        file.truncate(24 << 20)
    packed = pack(command, original)
    with pytest.raises(Malformed, match="at most"):
        expand(opened(packed), limit=6 << 20)
    with pytest.raises(Malformed, match="at most"):
        expand(Bytes(packed.read_bytes(), "inside another file"), limit=6 << 20)
    assert not [path for path in cache.rglob("*") if path.is_file()]


def test_the_least_recently_used_goes_first(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool, "EXPANDED", evolve(spool.EXPANDED, limit=5 << 20))
    packed = [pack("gzip", image(tmp_path / f"disk{number}.raw")) for number in range(4)]
    for number, path in enumerate(packed):
        expand(opened(path))
        for kept in (cache / "expanded").iterdir():
            os.utime(kept, (number, kept.stat().st_mtime - 1000))
    names = {path.name for path in (cache / "expanded").iterdir()}
    assert len(names) == 2  # each takes 1.8 MB
    assert {spool.digest(opened(path)) for path in packed[-2:]} == names


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path, cache: Path) -> None:
    (cache / "expanded").mkdir(parents=True)
    for name, age in ((".old.part", 100_000), (".new.part", 100)):
        (cache / "expanded" / name).write_bytes(b"half")
        os.utime(cache / "expanded" / name, (time.time() - age,) * 2)
    expand(opened(pack("gzip", image(tmp_path / "disk.raw"))))
    names = {path.name for path in (cache / "expanded").iterdir()}
    assert ".new.part" in names
    assert ".old.part" not in names


def test_streams_that_follow_one_another_are_one() -> None:
    joined = lzma.compress(b"one") + lzma.compress(b"two") + bytes(8) + lzma.compress(b"three") + b"tail"
    expansion = Expansion(Bytes(joined, "joined"), "xz")
    assert b"".join(expansion) == b"onetwothree"
    assert joined[expansion.end :] == b"tail"


def cpio(folder: Path) -> bytes:
    listing = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
    return filtered(listing.encode(), "cpio", "-o", "-H", "newc", "--quiet", cwd=folder)


def filtered(data: bytes, name: str, *options: str, cwd: Path | None = None) -> bytes:
    return subprocess.run([tool(name), *options], cwd=cwd, input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize("form", ["bare", "xz", "zstd", "gzip", "lz4"])
def test_an_initramfs_of_several_archives_is_one_tree(tmp_path: Path, form: str) -> None:
    early, tree = tmp_path / "early", plant(tmp_path / "tree", many=50)
    (early / "kernel" / "x86" / "microcode").mkdir(parents=True)
    (early / "kernel" / "x86" / "microcode" / "GenuineIntel.bin").write_bytes(b"\1" * 5000)
    main = cpio(tree)
    packed = {
        "bare": lambda: main,
        "xz": lambda: lzma.compress(main, check=lzma.CHECK_CRC32),
        "gzip": lambda: gzip.compress(main),
        "zstd": lambda: (
            subprocess.run([tool("zstd"), "-c"], input=main, capture_output=True, check=True).stdout
        ),
        "lz4": lambda: (
            subprocess.run([tool("lz4"), "-l", "-c"], input=main, capture_output=True, check=True).stdout
        ),
    }[form]()
    source = Bytes(cpio(early) + bytes(512) + packed, "initrd")
    segments = read_segments(source)
    assert [segment.compression for segment in segments] == [None, None if form == "bare" else form]
    files = InitramfsTree("initrd", segments)
    assert contents(files) == {**of_directory(tree), **of_directory(early)}


def test_a_large_initramfs_is_expanded_once(tmp_path: Path, cache: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "rootfs.sqsh").write_bytes(os.urandom(5 << 20))
    data = (
        lzma.compress(cpio(tree), preset=0)
        + bytes(100)
        + lzma.compress(cpio(plant(tmp_path / "more", many=3)))
    )
    for _ in range(2):
        segments = read_segments(Bytes(data, "initramfs.xz"))
        assert len(segments) == 1  # streams of one kind are one archive after the other
        files = InitramfsTree("initramfs.xz", segments)
        read_back = contents(files)
        assert read_back["/rootfs.sqsh"] == (tree / "rootfs.sqsh").read_bytes()
        assert read_back["/tiny"] == b"x"
        assert len(list((cache / "expanded").iterdir())) == 2


def test_later_archives_replace_earlier_ones(tmp_path: Path) -> None:
    for name, text in (("a", b"old"), ("b", b"new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(text)
    source = Bytes(cpio(tmp_path / "a") + gzip.compress(cpio(tmp_path / "b")), "initrd")
    assert contents(InitramfsTree("initrd", read_segments(source))) == {"/file": b"new"}


def test_names_that_leave_the_root_are_refused() -> None:
    archive = b"".join(
        (b"070701" + b"%08X" * 13) % (1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        + name + b"\0" * (1 + (-(111 + len(name))) % 4) + data + b"\0" * (-len(data) % 4)
        for name, data in ((b"../../etc/passwd", b"root"), (b"TRAILER!!!", b""))
    )  # fmt: skip
    with pytest.raises(Malformed, match="below the archive's root"):
        InitramfsTree("initrd", read_segments(Bytes(archive, "initrd")))


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_change_yields_bytes_or_our_error(data: st.DataObject) -> None:
    payload = bytes(range(256)) * 40
    forms = [lzma.compress(payload), gzip.compress(payload), lzma.compress(payload, lzma.FORMAT_ALONE)]
    packed = bytearray(data.draw(st.sampled_from(forms)))
    for _ in range(data.draw(st.integers(0, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_xz_blocks")(bytes(packed))
    fuzz_target("fuzz_initramfs")(bytes(packed))


@given(
    st.binary(max_size=512), st.sampled_from([b"", b"070701", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"BZh9"])
)
def test_arbitrary_bytes_yield_our_error(data: bytes, start: bytes) -> None:
    fuzz_target("fuzz_xz_blocks")(start + data)
    fuzz_target("fuzz_initramfs")(start + data)
    assert compression_of(Bytes(start + data, "x")) in {name for name, _ in streams._ALL_MAGICS} | {None}
