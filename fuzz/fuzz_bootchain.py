"""Fuzz the boot chain: `python fuzz/fuzz_bootchain.py CORPUS` with atheris installed.

The bytes become the files of one or two volumes at the places where firmware and boot loaders look.
"""

from __future__ import annotations

from collections.abc import Sequence

from bootwright.boards.model import boards
from bootwright.bootchain.chains import chains
from bootwright.bootchain.volumes import PlainVolume
from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.disks.partitions import Partition
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError

PLACES = (
    "config.txt",
    "cmdline.txt",
    "kernel8.img",
    "u-boot.bin",
    "EFI/BOOT/BOOTAA64.EFI",
    "EFI/Linux/a.efi",
    "EFI/Linux/a+3-1.efi",
    "grub/grub.cfg",
    "boot/grub/grubenv",
    "boot/grub/grub.cfg",
    "EFI/x/grub.cfg",
    "loader/loader.conf",
    "loader/entries/a.conf",
    "loader/entries/b+0.conf",
    "extlinux/extlinux.conf",
    "boot.scr",
    "boot/boot.scr.uimg",
    "vmlinuz",
    "initrd",
)
_TYPES = ("c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "0fc63daf-8483-4772-8e79-3d69d8477de4", "0x0c")


def packed(files: Sequence[tuple[int, bytes]], layout: int) -> bytes:
    """An input: (place, with bit 7 for the second volume; content) of each file that is not too long."""
    return bytes([layout]) + b"".join(
        bytes([place]) + len(data).to_bytes(2, "little") + data for place, data in files if len(data) < 65536
    )


def one_input(data: bytes) -> None:
    """Each file is: a byte for its place and its volume, two for its length, then its content."""
    files: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    layout, rest = data[:1], data[1:]
    while len(rest) > 3 and sum(map(len, files)) < 24:
        size = int.from_bytes(rest[1:3], "little")
        files[rest[0] >> 7][PLACES[(rest[0] & 127) % len(PLACES)]] = rest[3 : 3 + size]
        rest = rest[3 + size :]
    number = layout[0] if layout else 0
    volumes = tuple(_volume(item, at, number) for at, item in enumerate(files) if item)
    for board in (None, *boards()):
        try:
            boots = chains(volumes, board)
        except BootwrightError:
            continue
        assert sum(item.default for item in boots) >= bool(boots)
        for chain in boots:
            assert isinstance(chain.as_json(), dict)
            assert chain.kernel is not None or chain.unknown


def _volume(files: dict[str, bytes], at: int, layout: int) -> PlainVolume:
    members = [
        Member(name, EntryKind.FILE, 0o644, len(data), Bytes(data, name)) for name, data in files.items()
    ]
    tree = ArchiveTree(f"volume {at}", "vfat" if layout >> at & 1 else "ext4", members)
    if layout & 0x80:
        return PlainVolume(tree)
    kind = _TYPES[(layout >> 2 + 2 * at & 3) % len(_TYPES)]
    return PlainVolume(tree, Partition(at + 1, 0, 1 << 20, kind, None, None, None, layout & 0x84))


if __name__ == "__main__":
    import sys

    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
