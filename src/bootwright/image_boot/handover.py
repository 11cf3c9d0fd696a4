"""The firmware's stage of an image, with its files taken out for the emulator (`firmware.stage`)."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from bootwright.boards.model import board
from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.filters import BoardFacts
from bootwright.firmware.stage import stage
from bootwright.formats.filesystems.filesystem import lookup
from bootwright.foundation.errors import Refused
from bootwright.image_boot.machine import BoardMachine
from bootwright.image_boot.stage import HandOver
from bootwright.images.opened import OpenImage, Volume, open_image

_MOST_PART = 1 << 30
"""Bytes of a kernel or an initramfs."""
_CHUNK = 4 << 20


def firmware_stage(image: Path, machine: BoardMachine, work_folder: Path) -> HandOver:
    """What the firmware of `machine` would start of the raw `image`; its files are written to `work_folder`.

    An image that it starts nothing of is a result too (`HandOver.stopped`). Raises `Malformed` for what is
    no disk image.
    """
    volume = _boot_volume(open_image(image))
    if volume is None:
        return HandOver(machine, None, None, None, "", None, stopped="the image has no FAT partition to read")
    return stage_of(volume, machine, work_folder)


def stage_of(volume: Volume, machine: BoardMachine, work_folder: Path) -> HandOver:
    """The same of an opened FAT partition; raises `Malformed` or `Refused` for parts that cannot be read."""
    work_folder.mkdir(parents=True, exist_ok=True)
    done = stage(volume.files, firmware_board(machine), volume.title)
    parts = _Parts(volume, work_folder)
    kernel = parts.joined((done.kernel,), "kernel") if done.kernel is not None else None
    initramfs = parts.joined(done.initramfs, "initramfs") if done.initramfs else None
    blob = None
    if done.tree is not None:
        blob = work_folder / "board.dtb"
        blob.write_bytes(done.tree.blob)
    return HandOver(
        machine, kernel, initramfs, blob, done.arguments, done.uart, done.log, done.warnings, done.stopped
    )


def firmware_board(machine: BoardMachine) -> FirmwareBoard:
    """The emulated board as its firmware knows it."""
    return FirmwareBoard(
        facts=BoardFacts(models=board(machine.board).firmware_models, board_type=machine.board_type),
        kernels=machine.kernels,
        arm_64bit=machine.arm_64bit,
        dtbs=machine.dtbs,
        upstream_dtbs=machine.upstream_dtbs,
        uarts=machine.uarts,
    )


def _boot_volume(opened: OpenImage) -> Volume | None:
    fat = [volume for volume in opened.volumes if volume.files.type == "vfat"]
    return next((volume for volume in fat if lookup(volume.files, "/config.txt")), fat[0] if fat else None)


@frozen
class _Parts:
    volume: Volume
    work_folder: Path

    def joined(self, places: tuple[str, ...], name: str) -> Path:
        """Files of the partition, one after the other, as one file."""
        path = self.work_folder / name
        with path.open("wb") as file:
            for place in places:
                entry = lookup(self.volume.files, place)
                if entry is None or entry.size > _MOST_PART:
                    raise Refused(f"{self.volume.path(place)} cannot be read, though the boot needs it")
                source = self.volume.files.open(entry)
                for start in range(0, source.size, _CHUNK):
                    file.write(source.read(start, min(_CHUNK, source.size - start)))
        return path
