"""The machines that images are booted on, the card, the console, and what is handed over to the emulator."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.disks.partitions import Partition
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.versions import Version
from bootwright.image_boot.handover import stage_of
from bootwright.image_boot.machine import BOARD_MACHINES, board_machine
from bootwright.image_boot.overlay import card_size, write_overlay
from bootwright.image_boot.start import edits_for
from bootwright.images.opened import Volume


def volume(**files: bytes) -> Volume:
    members = [
        Member(name.replace("_", "."), EntryKind.FILE, 0o644, len(data), Bytes(data, name))
        for name, data in files.items()
    ]
    partition = Partition(1, 0, 1 << 20, "0x0c", None, None, None)
    return Volume(partition, ArchiveTree("card", "vfat", members), Bytes(b"", "card"))


def test_what_the_firmware_starts_is_taken_out_of_the_image(tmp_path: Path) -> None:
    config = b"kernel8_img=\nkernel=kernel8.img\ninitramfs a.img,b.img followkernel\n"
    files = {"kernel8_img": b"kernel", "a_img": b"one", "b_img": b"two", "cmdline_txt": b"quiet"}
    done = stage_of(volume(config_txt=config, **files), board_machine("raspi3b"), tmp_path / "made")
    assert done.kernel is not None
    assert done.kernel.read_bytes() == b"kernel"
    assert done.initramfs is not None
    assert done.initramfs.read_bytes() == b"onetwo"
    assert done.devicetree is None
    assert done.arguments == "quiet"
    stopped = stage_of(volume(config_txt=config), board_machine("raspi3b"), tmp_path / "none")
    assert stopped.kernel is None
    assert stopped.stopped is not None


# The machines, the card, the console.


def test_every_machine_is_a_board_that_is_known(tmp_path: Path) -> None:
    from bootwright.boards.model import board

    for machine in BOARD_MACHINES.all().values():
        assert board(machine.board).firmware_models
        assert machine.minimum_qemu >= Version.parse("7.2")  # type: ignore[operator]
        assert {uart.mini for uart in machine.uarts} == {True, False}
        assert any("{disk}" in part for part in machine.disk)
    assert board_machine("raspi3b").board_type == 8
    with pytest.raises(Refused, match="no machine raspi9"):
        board_machine("raspi9")
    (tmp_path / "x.toml").write_text("title = 1\n")
    with pytest.raises(Malformed):
        BOARD_MACHINES.load(tmp_path / "x.toml")


def test_a_card_is_a_power_of_two_over_the_image(tmp_path: Path) -> None:
    assert [card_size(size) for size in (1, 512, 513, 3 << 30)] == [1, 512, 1024, 4 << 30]
    image, overlay = tmp_path / "image", tmp_path / "overlay"
    image.write_bytes(b"QFI\xfb" + bytes(1020))
    write_overlay(image, overlay, 4 << 30)
    data = overlay.read_bytes()
    magic, version, name_at, name_size = struct.unpack_from(">IIQI", data)
    (bits, size, _, entries) = struct.unpack_from(">IQII", data, 20)
    assert (magic, version, bits, size, entries) == (0x514649FB, 2, 16, 4 << 30, 8)
    assert data[name_at : name_at + name_size] == str(image).encode()
    assert struct.pack(">II", 0xE2792ACA, 3) + b"raw" in data[72:name_at]


@pytest.mark.parametrize(
    ("arguments", "edits"),
    [
        ("quiet", []),
        ("console=ttyAMA0,115200", []),
        ("console=tty0 console=ttyAMA0", []),
        ("console=ttyAMA0 console=tty0", ["+console=ttyAMA0,115200"]),
        ("console=tty0 console=ttyAMA10,115200", ["-console=ttyAMA10,115200", "+console=ttyAMA0,115200"]),
        ("console=ttyAMA10 console=ttyAMA0", ["-console=ttyAMA10", "+console=ttyAMA0,115200"]),
        ("console=ttyS0", ["+console=ttyAMA0,115200"]),
    ],
)
def test_the_machines_console_is_added_where_it_is_not_the_last(arguments: str, edits: list[str]) -> None:
    made = [f"{'+' if edit.add else '-'}{edit.text}" for edit in edits_for(arguments.split())]
    assert made == edits
