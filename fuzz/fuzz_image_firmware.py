"""Any config.txt, devicetree and overlay give what a firmware would start, or one clear error."""

from __future__ import annotations

from bootwright.firmware.stage import stage
from bootwright.formats.archives.archive_tree import ArchiveTree, Member
from bootwright.formats.filesystems.filesystem import EntryKind
from bootwright.formats.sources.bytesource import Bytes
from bootwright.foundation.errors import BootwrightError
from bootwright.image_boot.handover import firmware_board
from bootwright.image_boot.machine import board_machine

_NAMES = (
    *("config.txt", "bcm2710-rpi-3-b.dtb", "overlays/header.dtbo", "cmdline.txt"),
    "overlays/overlay_map.dtb",
)


def one_input(data: bytes) -> None:
    """Files of a card, one after the other with a mark between."""
    parts = data.split(b"\0CUT\0")[: len(_NAMES)]
    files = dict(zip(_NAMES, parts, strict=False)) | {"vmlinuz": b"kernel"}
    members = [
        Member(name, EntryKind.FILE, 0o644, len(part), Bytes(part, name)) for name, part in files.items()
    ]
    try:
        done = stage(ArchiveTree("card", "vfat", members), firmware_board(board_machine("raspi3b")), "card")
    except BootwrightError:
        return
    assert (done.kernel is None) == (done.stopped is not None)
    assert "\n" not in done.arguments
    assert set(done.warnings) <= set(done.log)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
