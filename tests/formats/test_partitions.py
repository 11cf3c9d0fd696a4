from __future__ import annotations

import json
from pathlib import Path

import pytest
from disk_kit import Patched, fuzz_target, make_disk, opened, run, sparse
from hypothesis import given
from hypothesis import strategies as st

from bootwright.formats.disks.mbr import read_mbr, read_partition_table
from bootwright.foundation.errors import Malformed

ESP = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B"
LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
PARTS = ((None, ESP, "EFI", 3), (None, LINUX, "BOOT", 5), (None, LINUX, "META", 1))


def as_fdisk_says(image: Path, sector: int) -> list[tuple[int, int, int, str, str]]:
    """(number, offset, size, type, uuid) by the oracle."""
    listing = run("fdisk", "-b", str(sector), "-l", "-o", "Start,Sectors,Type-UUID,UUID", image)
    rows = listing.rpartition("UUID\n")[2].strip().splitlines()
    return [
        (number, int(start) * sector, int(count) * sector, kind.lower(), uuid.lower())
        for number, (start, count, kind, uuid) in enumerate(map(str.split, rows), start=1)
    ]


@pytest.mark.parametrize("sector", [512, 4096])
def test_gpt_reads_as_sfdisk_does(tmp_path: Path, sector: int) -> None:
    image = four_k(tmp_path) if sector == 4096 else make_disk(tmp_path / "disk.img", PARTS)
    table = read_partition_table(opened(image))
    assert table.scheme == "gpt"
    assert table.sector_size == sector
    assert [partition.label for partition in table.partitions] == ["EFI", "BOOT", "META"]
    assert table.copies == ("primary: good", "backup: good")
    assert not table.problems
    mine = [
        (partition.number, partition.offset, partition.size, partition.type, partition.uuid)
        for partition in table.partitions
    ]
    assert mine == as_fdisk_says(image, sector)


def four_k(folder: Path) -> Path:
    """As on a disk with 4096-byte sectors; sfdisk cannot be told, fdisk can."""
    image = sparse(folder / "4kn.img", 16 << 20)
    made = "".join(f"n\n\n\n+{size}M\n" for *_, size in PARTS)
    named = "".join(f"x\nn\n{number}\n{name}\nr\n" for number, (*_, name, _) in enumerate(PARTS, start=1))
    run("fdisk", "-b", "4096", image, text=f"g\n{made}t\n1\n1\n{named}w\n")
    return image


def test_the_backup_is_used_when_the_primary_is_damaged(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.img", PARTS)
    good = read_partition_table(opened(image))
    damaged = read_partition_table(Patched(opened(image), {512 + 60: b"\xff"}))
    assert damaged.partitions == good.partitions
    assert damaged.copies[0].startswith("primary: bad (")
    assert damaged.copies[1] == "backup: good"


def test_a_damaged_backup_and_damaged_entries_are_told(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.img", PARTS)
    end = image.stat().st_size
    table = read_partition_table(Patched(opened(image), {end - 512 + 100: b"\x01"}))
    assert "backup: good" in table.copies  # the byte lies beyond the header's 92 bytes
    table = read_partition_table(Patched(opened(image), {end - 512 + 20: b"\x77"}))
    assert table.copies[1].startswith("backup: bad (")
    with pytest.raises(Malformed, match="CRC"):
        read_partition_table(Patched(opened(image), {1024 + 3: b"\x55", end - 512 + 20: b"\x77"}))


def test_overlapping_partitions_are_a_problem_not_an_error(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.img", ((None, "c", "", 3), (None, "83", "", 5)), label="dos")
    first = (446 + 16 + 8, (2048).to_bytes(4, "little"))
    table = read_mbr(Patched(opened(image), dict([first])))
    assert table.problems == ("partitions 1 and 2 overlap",)


def test_mbr_with_logical_partitions_reads_as_sfdisk_does(tmp_path: Path) -> None:
    image = sparse(tmp_path / "disk.img", 32 << 20)
    script = "label: dos\nsize=4M,type=c,bootable\nsize=20M,type=5\nsize=3M\nsize=2M\nsize=1M\n"
    run("sfdisk", "-q", "--no-tell-kernel", image, text=script)
    table = read_partition_table(opened(image))
    assert table.scheme == "mbr"
    oracle = json.loads(run("sfdisk", "--json", image))["partitiontable"]
    assert table.disk_id == oracle["id"].removeprefix("0x")
    mine = [
        (partition.number, partition.offset // 512, partition.size // 512) for partition in table.partitions
    ]
    theirs = [
        (int(partition["node"].removeprefix(str(image))), partition["start"], partition["size"])
        for partition in oracle["partitions"]
    ]
    assert sorted(mine) == sorted(theirs)
    assert len(mine) == 5


def test_a_chain_of_logical_partitions_that_bites_its_tail_ends(tmp_path: Path) -> None:
    image = sparse(tmp_path / "disk.img", 32 << 20)
    run("sfdisk", "-q", "--no-tell-kernel", image, text="label: dos\nsize=20M,type=5\nsize=3M\nsize=2M\n")
    extended = json.loads(run("sfdisk", "--json", image))["partitiontable"]["partitions"][0]["start"]
    # The first extended boot record's second entry points to itself.
    loop = extended * 512 + 446 + 16
    patched = Patched(opened(image), {loop + 4: b"\x05", loop + 8: bytes(4), loop + 12: b"\x01\0\0\0"})
    table = read_partition_table(patched)
    assert any("broken" in problem for problem in table.problems)
    assert len(table.partitions) <= 3


def test_a_hybrid_mbr_is_shown_beside_the_gpt(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.img", PARTS)
    entry = bytes([0, 0, 0, 0, 0x0C, 0, 0, 0]) + (2048).to_bytes(4, "little") + (6144).to_bytes(4, "little")
    table = read_partition_table(Patched(opened(image), {446 + 16: entry}))
    assert table.scheme == "gpt+mbr"
    assert [(mbr_partition.number, mbr_partition.type_name) for mbr_partition in table.mbr_partitions] == [
        (2, "FAT32 (LBA)")
    ]
    assert len(table.partitions) == 3


def test_a_partition_beyond_the_disk_cannot_be_opened(tmp_path: Path) -> None:
    image = make_disk(tmp_path / "disk.img", PARTS)
    with image.open("r+b") as file:
        file.truncate(6 << 20)
    table = read_partition_table(opened(image))
    assert table.copies[1].startswith("backup: bad")
    assert any("partition 3 ends beyond the disk" in problem for problem in table.problems)
    with pytest.raises(Malformed, match=r"partition 3 .* the end of the disk"):
        table.partitions[2].open(opened(image))


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    image = sparse(tmp_path_factory.mktemp("disk") / "disk.img", 256 << 10)
    run(
        "sfdisk",
        "-q",
        "--no-tell-kernel",
        image,
        text="label: gpt\nfirst-lba: 34\nstart=40,size=100\nsize=50\n",
    )
    return image.read_bytes()


@given(data=st.data())
def test_any_change_yields_a_table_or_our_error(data: st.DataObject, small_disk: bytes) -> None:
    changed = bytearray(small_disk[: data.draw(st.sampled_from([len(small_disk), 512, 1024, 40000]))])
    for _ in range(data.draw(st.integers(0, 8))):
        area = data.draw(st.sampled_from([(440, 512), (512, 604), (1024, 1400), (-512, -400)]))
        at = data.draw(st.integers(*area))
        if -len(changed) <= at < len(changed):
            changed[at] = data.draw(st.integers(0, 255))
    fuzz_target("fuzz_gpt")(bytes(changed))


@given(st.binary(max_size=2048))
def test_arbitrary_bytes_are_no_disk(data: bytes) -> None:
    fuzz_target("fuzz_gpt")(data)
