from __future__ import annotations

import re
from pathlib import Path

import pytest
from disk_kit import Patched, contents, fuzz_target, of_directory, opened, plant, run, sparse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bootwright.formats.filesystems.ext4 import Ext
from bootwright.formats.filesystems.filesystem import Unreadable, lookup, walk
from bootwright.foundation.errors import Malformed, Refused


def make(image: Path, folder: Path, kind: str, *options: str, size: int = 48 << 20) -> Path:
    sparse(image, size)
    run("mkfs.ext4", "-q", "-F", "-t", kind, "-d", folder, *options, image)
    return image


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ext4", ()),
        ("ext4", ("-O", "64bit,metadata_csum", "-L", "root")),
        ("ext4", ("-O", "inline_data", "-I", "512")),
        ("ext4", ("-b", "1024", "-O", "^64bit")),
        ("ext4", ("-b", "1024", "-O", "meta_bg,^resize_inode")),
        ("ext4", ("-b", "1024", "-O", "bigalloc")),
        ("ext4", ("-O", "bigalloc,casefold,ea_inode,large_dir,orphan_file,sparse_super2")),
        ("ext3", ()),
        ("ext2", ("-b", "1024")),
    ],
)
def test_reads_what_mkfs_wrote(tmp_path: Path, kind: str, options: tuple[str, ...]) -> None:
    tree = plant(tmp_path / "tree", many=500)
    if "inline_data" in options:
        (tree / "holes").unlink()  # mke2fs forgets a hole at the end of a file with this feature
    image = make(tmp_path / "ext.img", tree, kind, *options)
    files = Ext(opened(image))
    read_back = contents(files)
    read_back.pop("/lost+found")
    assert read_back == of_directory(tree)
    assert files.type == kind
    assert files.label == ("root" if "root" in options else None)
    assert str(files.uuid) in run("dumpe2fs", "-h", image)


def test_a_hashed_directory_and_a_split_file_read_as_debugfs_does(tmp_path: Path) -> None:
    """debugfs writes the second file into the holes that deleting every other small one left."""
    tree = plant(tmp_path / "tree", many=800)
    image = make(tmp_path / "ext.img", tree, "ext4", "-b", "1024", size=24 << 20)
    (tmp_path / "big").write_bytes(bytes(range(251)) * 60000)
    names = sorted(path.name for path in (tree / "many").iterdir())[::2]
    script = "".join(f"rm /many/{name}\n" for name in names) + f"write {tmp_path / 'big'} big\n"
    run("debugfs", "-w", "-f", "/dev/stdin", image, text=script)
    files = Ext(opened(image))
    entry = lookup(files, "/big")
    assert entry is not None
    assert files.open(entry).read(0, entry.size) == (tmp_path / "big").read_bytes()
    listed = run("debugfs", "-R", "ls -p /many", image)
    rows = [line.split("/") for line in listed.splitlines() if line.count("/") > 5]
    theirs = {row[5] for row in rows if row[1] != "0"} - {".", ".."}  # inode 0: deleted
    folder = lookup(files, "/many")
    assert folder is not None
    assert {entry.name for entry in files.children(folder)} == theirs


def test_what_is_encrypted_is_refused(tmp_path: Path) -> None:
    """debugfs marks them; the rest of the file system is still read."""
    tree = plant(tmp_path / "tree", many=5)
    image = make(tmp_path / "ext.img", tree, "ext4", "-O", "encrypt")
    for path in ("/A", "/tiny"):
        run("debugfs", "-w", "-R", f"set_inode_field {path} flags 0x80800", image)
    files = Ext(opened(image))
    entry = lookup(files, "/tiny")
    assert entry is not None
    with pytest.raises(Refused, match="encrypted"):
        files.open(entry)
    refused = [unreadable for unreadable in walk(files) if isinstance(unreadable, Unreadable)]
    assert [unreadable.path for unreadable in refused] == ["/A"]


def test_a_size_that_no_file_can_have_is_refused(tmp_path: Path) -> None:
    image = make(tmp_path / "ext.img", plant(tmp_path / "tree", many=2), "ext4")
    entry = lookup(Ext(opened(image)), "/tiny")
    assert entry is not None
    where = run("debugfs", "-R", f"imap <{entry.handle}>", image)
    block, offset = re.findall(r"block (\d+), offset (0x\w+)", where)[0]
    at = int(block) * Ext(opened(image)).superblock.block_size + int(offset, 16)
    with pytest.raises(Malformed, match="a file of at most"):
        Ext(Patched(opened(image), {at + 108: b"\xff\xff\xff\xff"})).open(entry)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("ext")
    tree = plant(folder / "tree", many=30)
    image = make(
        folder / "ext.img", tree, "ext4", "-b", "1024", "-O", "inline_data,^has_journal", size=8 << 20
    )
    data = image.read_bytes()
    return data[: len(data.rstrip(b"\0"))]


@settings(suppress_health_check=[HealthCheck.large_base_example], max_examples=100, deadline=None)
@given(data=st.data())
def test_any_change_yields_files_or_our_error(data: st.DataObject, small: bytes) -> None:
    changed = bytearray(small)
    table = int.from_bytes(small[2048 + 8 : 2048 + 12], "little") * 1024
    for _ in range(data.draw(st.integers(1, 8))):
        area = data.draw(st.sampled_from([(1024, 1400), (2048, 2112), (table, table + 16384)]))
        changed[data.draw(st.integers(*area))] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_ext4")(bytes(changed))


@given(st.binary(max_size=1024))
def test_arbitrary_bytes_are_no_volume(data: bytes) -> None:
    fuzz_target("fuzz_ext4")(bytes(1024 + 56) + b"\x53\xef" + data)
