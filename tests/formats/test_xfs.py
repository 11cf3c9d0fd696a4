from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from disk_kit import Patched, contents, fuzz_target, make_xfs, of_directory, opened, plant, run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.filesystems.filesystem import lookup
from bootwright.formats.filesystems.xfs import Xfs
from bootwright.foundation.errors import Malformed, Refused


def tree_without_blanks(folder: Path, many: int) -> Path:
    tree = plant(folder, many=many)
    (tree / "a name with spaces and Ümlaut.txt").rename(tree / "Ümlaut.txt")
    return tree


@pytest.mark.parametrize(
    ("options", "features"),
    [
        ((), {"ftype", "bigtime"}),
        (("-i", "nrext64=1", "-L", "BOOT"), {"nrext64", "bigtime"}),
        (("-m", "bigtime=0", "-i", "size=1024"), {"ftype"}),
        (("-b", "size=1024"), {"ftype"}),
        (("-n", "size=16384", "-i", "nrext64=1"), {"nrext64"}),
        (("-m", "crc=0", "-n", "ftype=0"), set()),
    ],
)
def test_reads_what_mkfs_wrote(tmp_path: Path, options: tuple[str, ...], features: set[str]) -> None:
    """Directories inside the inode, of one block, of many, with an index; links of both kinds; big files."""
    tree = tree_without_blanks(tmp_path / "tree", 1500)
    files = Xfs(opened(make_xfs(tmp_path / "xfs.img", tree, *options)))
    read_back = contents(files)
    read_back.pop("/lost+found", None)
    assert read_back == of_directory(tree)
    assert features <= set(files.superblock.features)
    assert files.label == ("BOOT" if "BOOT" in options else None)
    assert str(files.uuid) in run("xfs_db", "-r", "-c", "uuid", tmp_path / "xfs.img")


def field(image: Path, inode: int, name: str) -> str:
    return run("xfs_db", "-r", "-c", f"inode {inode}", "-c", f"print {name}", image)


def test_a_file_with_an_extent_tree_reads_as_xfs_db_maps_it(tmp_path: Path) -> None:
    """mkfs lays files out in one piece, so the tree is built here; xfs_db's bmap says whether it is one."""
    tree = tree_without_blanks(tmp_path / "tree", 10)
    blocks = 900
    (tree / "big").write_bytes(b"".join(struct.pack("<I", number) * 1024 for number in range(blocks)))
    (tree / "room").write_bytes(bytes(8 * 4096))
    image = make_xfs(tmp_path / "xfs.img", tree, "-i", "nrext64=1")
    files = Xfs(opened(image))
    big, entry = lookup(files, "/big"), lookup(files, "/room")
    assert big is not None
    assert entry is not None
    super_ = files.superblock
    start = int(re.findall(r"\[0,(\d+),", field(image, big.handle, "u3.bmx"))[0])
    leaf = int(re.findall(r"\[0,(\d+),", field(image, entry.handle, "u3.bmx"))[0])
    assert super_.ag_blocks > start + blocks  # one allocation group, so that blocks follow one another
    records = [extent(number, start + number, 1) for number in range(blocks)]
    most = (4096 - 72) // 16
    patches: dict[int, bytes] = {}
    leaves = [records[at : at + most] for at in range(0, blocks, most)]
    for index, leaf_entries in enumerate(leaves):
        patches[super_.byte_of_block(leaf + 1 + index)] = header(0, len(leaf_entries)) + b"".join(
            leaf_entries
        )
    keys = b"".join(struct.pack(">Q", index * most) for index in range(len(leaves)))
    pointers = b"".join(struct.pack(">Q", leaf + 1 + index) for index in range(len(leaves)))
    patches[super_.byte_of_block(leaf)] = header(1, len(leaves)) + keys.ljust(most * 8, b"\0") + pointers
    inode = super_.byte_of_inode(big.handle)
    room_in_fork = (super_.inode_size - 176 - 4) // 16
    root = struct.pack(">HHQ", 2, 1, 0).ljust(4 + room_in_fork * 8, b"\0") + struct.pack(">Q", leaf)
    patches[inode + 5] = b"\x03"
    patches[inode + 24] = struct.pack(">Q", blocks)
    patches[inode + 176] = root
    with image.open("r+b") as file:
        for at, data in patches.items():
            file.seek(at)
            file.write(data)
    bmap = run("xfs_db", "-r", "-c", f"inode {big.handle}", "-c", "bmap", image)
    assert len(re.findall(r"data offset \d+ startblock", bmap)) == blocks
    reread = Xfs(opened(image))
    assert reread.open(big).read(0, big.size) == (tree / "big").read_bytes()
    # A tree that points back into itself ends.
    cycle = Patched(opened(image), {super_.byte_of_block(leaf) + 72 + most * 8: struct.pack(">Q", leaf)})
    with pytest.raises(Malformed, match=r"twice|level"):
        Xfs(cycle).open(big)


def extent(offset: int, block: int, count: int) -> bytes:
    return struct.pack(">QQ", offset << 9 | block >> 43, (block & (1 << 43) - 1) << 21 | count)


def header(level: int, records: int) -> bytes:
    none = (1 << 64) - 1
    return struct.pack(">4sHHQQ", b"BMA3", level, records, none, none).ljust(72, b"\0")


def test_an_unknown_feature_is_refused_with_its_bit(tmp_path: Path) -> None:
    image = make_xfs(tmp_path / "xfs.img", plant(tmp_path / "tree", many=1, links=False) / "deep")
    with pytest.raises(Refused, match="0x40000000"):
        Xfs(Patched(opened(image), {216: b"\x40"}))


def test_an_inode_outside_the_volume_is_named(tmp_path: Path) -> None:
    image = make_xfs(tmp_path / "xfs.img", plant(tmp_path / "tree", many=1, links=False) / "deep")
    with pytest.raises(Malformed, match="inode"):
        Xfs(Patched(opened(image), {56: b"\x7f"})).root()


@pytest.fixture(scope="module")
def start_of_volume(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What holds the superblock, the first inodes and directories; the rest of 320 MiB is zeros."""
    folder = tmp_path_factory.mktemp("xfs")
    tree = tree_without_blanks(folder / "tree", 150)
    image = make_xfs(folder / "xfs.img", tree)
    with image.open("rb") as file:
        return file.read(400 << 10)


@settings(suppress_health_check=[HealthCheck.large_base_example], max_examples=120, deadline=None)
@given(data=st.data())
def test_any_change_yields_files_or_our_error(data: st.DataObject, start_of_volume: bytes) -> None:
    changed = bytearray(start_of_volume)
    inodes = [at for at in range(0, len(changed), 512) if changed[at : at + 2] == b"IN"]
    blocks = [at for at in range(0, len(changed), 4096) if changed[at : at + 2] == b"XD"]
    for _ in range(data.draw(st.integers(1, 8))):
        base, size = data.draw(st.sampled_from([(0, 264), *((at, 512) for at in inodes[:40])]))
        if blocks and data.draw(st.booleans()):
            base, size = data.draw(st.sampled_from(blocks)), 4096
        changed[base + data.draw(st.integers(0, size - 1))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_xfs")(bytes(changed))


@given(st.binary(max_size=512))
def test_arbitrary_bytes_are_no_volume(data: bytes) -> None:
    fuzz_target("fuzz_xfs")(b"XFSB" + data)
