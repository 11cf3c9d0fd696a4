from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from disk_kit import Patched, contents, fuzz_target, of_directory, opened, plant, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.filesystems.filesystem import lookup
from bootwright.formats.filesystems.squashfs import SquashFs
from bootwright.foundation.errors import CUT_SHORT, Malformed


def make(folder: Path, image: Path, *options: str) -> Path:
    run("mksquashfs", folder, image, "-noappend", "-quiet", "-no-progress", *options)
    return image


@pytest.mark.parametrize(
    "options",
    [
        ("-comp", "gzip"),
        ("-comp", "xz", "-b", "1M"),
        ("-comp", "zstd", "-Xcompression-level", "1"),
        ("-comp", "lzma", "-b", "65536"),
        ("-comp", "xz", "-Xbcj", "arm", "-b", "4096"),
        ("-noI", "-noD", "-noF", "-no-fragments"),
        ("-comp", "zstd", "-always-use-fragments", "-b", "131072"),
        ("-comp", "lz4"),
        ("-comp", "lz4", "-Xhc", "-b", "1M"),
        ("-comp", "lzo", "-Xcompression-level", "9"),
        ("-comp", "lzo", "-Xalgorithm", "lzo1x_1", "-b", "4096"),
    ],
)
def test_reads_what_mksquashfs_wrote(tmp_path: Path, options: tuple[str, ...]) -> None:
    tree = plant(tmp_path / "tree", many=700)
    files = SquashFs(opened(make(tree, tmp_path / "image.sqsh", *options)))
    assert contents(files) == of_directory(tree)
    assert files.superblock.inodes == len(of_directory(tree)) + 1
    assert (
        f"compression {files.superblock.compression}"
        in run("unsquashfs", "-s", tmp_path / "image.sqsh").lower()
    )


def test_any_part_of_a_file_can_be_read(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", many=3)
    files = SquashFs(opened(make(tree, tmp_path / "image.sqsh", "-b", "16384")))
    entry = lookup(files, "/holes")
    assert entry is not None
    source, whole = files.open(entry), (tree / "holes").read_bytes()
    for start in (0, 1, 16383, 16384, 65535, 100000, len(whole) - 778):
        assert source.read(start, 700) == whole[start : start + 700]
    with pytest.raises(Malformed):
        source.read(len(whole) - 10, 11)


@pytest.mark.parametrize("bits", ["x86", "arm", "powerpc", "x86,armthumb,sparc"])
def test_branch_filters_of_xz(tmp_path: Path, bits: str) -> None:
    tree = plant(tmp_path / "tree", many=3)
    shutil.copy("/bin/true", tree / "program")
    files = SquashFs(opened(make(tree, tmp_path / "image.sqsh", "-comp", "xz", "-Xbcj", bits)))
    assert contents(files) == of_directory(tree)


def test_as_unsquashfs_unpacks_it(tmp_path: Path) -> None:
    tree = plant(tmp_path / "tree", many=30)
    shutil.copy("/bin/bash", tree / "program")
    for kind in ("lz4", "lzo"):
        image = make(tree, tmp_path / f"{kind}.sqsh", "-comp", kind)
        run("unsquashfs", "-quiet", "-no-progress", "-d", tmp_path / kind, image)
        assert contents(SquashFs(opened(image))) == of_directory(tmp_path / kind)


def test_a_truncated_image_says_so(tmp_path: Path) -> None:
    image = make(plant(tmp_path / "tree", many=50), tmp_path / "image.sqsh")
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size // 2)
    with pytest.raises(Malformed, match="bytes used") as caught:
        SquashFs(opened(image))
    assert caught.value.hint == CUT_SHORT


def test_a_block_that_expands_beyond_its_size_is_refused(tmp_path: Path) -> None:
    """The superblock is made to say 4 KiB blocks, so that every data block is a small bomb."""
    tree = plant(tmp_path / "tree", many=2)
    image = make(tree, tmp_path / "image.sqsh", "-b", "131072", "-no-fragments")
    patched = Patched(opened(image), {12: (4096).to_bytes(4, "little"), 22: (12).to_bytes(2, "little")})
    files = SquashFs(patched)
    entry = lookup(files, "/A/vmlinuz")
    assert entry is not None
    with pytest.raises(Malformed):
        files.open(entry).read(0, 10000)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("squashfs")
    tree = plant(folder / "tree", many=20)
    return make(tree, folder / "image.sqsh", "-noI", "-noF", "-b", "16384").read_bytes()


@settings(suppress_health_check=[HealthCheck.large_base_example], max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_yields_files_or_our_error(data: st.DataObject, small: bytes) -> None:
    changed = bytearray(small)
    for _ in range(data.draw(st.integers(1, 8))):
        # The superblock, and the tables at the end: inodes and directories are stored as they are.
        area = data.draw(st.sampled_from([(0, 95), (len(small) // 3, len(small) - 1)]))
        changed[data.draw(st.integers(*area))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_squashfs")(bytes(changed))


@given(st.binary(max_size=256))
def test_arbitrary_bytes_are_no_image(data: bytes) -> None:
    fuzz_target("fuzz_squashfs")(b"hsqs" + data)
