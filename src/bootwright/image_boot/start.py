"""Choosing how an image is started in the emulator, and preparing it: machine, firmware, console.

An image that only a board's firmware can start (config.txt names the kernel) is booted on that board's
machine, if there is one; any other on QEMU's `virt`, through UEFI or U-Boot. What is changed for the
emulator is changed in a temporary copy, and is reported.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from bootwright.boards.model import board
from bootwright.bootchain.volumes import file_at
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.processes.work_folder import temporary_folder
from bootwright.foundation.progress import Progress, Silent
from bootwright.image_boot.handover import firmware_stage
from bootwright.image_boot.machine import BOARD_MACHINES, VIRT, BoardMachine, board_machine
from bootwright.image_boot.stage import HandOver
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit
from bootwright.images.change.swap import swap
from bootwright.images.opened import argument_names, open_image
from bootwright.lab.machines.firmware import Firmware
from bootwright.lab.machines.firmware import firmware as find_firmware

AUTO = "auto"
_CONSOLE = "ttyAMA0"
"""The only serial port of QEMU's `virt`."""


@frozen
class Prepared:
    """An image ready to be booted."""

    image: Path
    firmware: Firmware | HandOver
    changes: tuple[str, ...]
    """What was changed in a copy of it, in words."""


def chosen_machine(image: Path, wanted: str = AUTO) -> str:
    """The machine for a raw image; raises `Refused` for an unknown one, `Malformed` for what is not an
    image."""
    if wanted == VIRT:
        return VIRT
    if wanted != AUTO:
        return board_machine(wanted).name
    opened = open_image(image)
    for machine in BOARD_MACHINES.all().values():
        try:
            ways = opened.chains(board(machine.board))
        except BootwrightError:
            continue
        kernel = ways[0].kernel if ways and ways[0].kind == "firmware" else None
        if kernel is not None and any(file_at(kernel.volume, f"/{name}") for name in machine.dtbs):
            return machine.name
    return VIRT


@contextmanager
def prepared(
    image: Path,
    *,
    machine: str = VIRT,
    firmware: str = "aavmf",
    keep_cmdline: bool = False,
    progress: Progress | None = None,
) -> Iterator[Prepared]:
    """The raw image with what starts it; everything made for it is gone afterwards.

    On a board's machine its firmware's stage is done here. On `virt` an image whose last console is a port
    that is not there gets the machine's own, unless `keep_cmdline`. Raises `Refused`, `Missing` and
    `Malformed`.
    """
    with temporary_folder() as work_folder:
        if machine != VIRT:
            modelled: BoardMachine = board_machine(machine)
            yield Prepared(image, firmware_stage(image, modelled, work_folder), ())
            return
        loader = find_firmware(firmware)
        edits = () if keep_cmdline else console_edits(image)
        if edits:
            # Swapping writes to a copy; only the original is ever named to the user.
            copy = work_folder / "console.raw"
            swap(image, copy, Changes(arguments=edits), progress=progress or Silent())
            yield Prepared(copy, loader, tuple(f"{'+' if edit.add else '-'}{edit.text}" for edit in edits))
            return
        yield Prepared(image, loader, ())


def console_edits(image: Path) -> tuple[ArgumentEdit, ...]:
    """What gives the kernel of a raw image the console of `virt`; empty where nothing has to be done."""
    try:
        chain = open_image(image).chain()
    except BootwrightError:
        return ()
    return edits_for(argument_names(chain.arguments)) if chain.kind != "firmware" else ()


def edits_for(arguments: Sequence[str]) -> tuple[ArgumentEdit, ...]:
    """The same from the kernel's arguments.

    The last `console=` is the one that user space writes to (Documentation/admin-guide/serial-console.rst,
    Linux 6.12). Without any, the kernel takes the one that the devicetree or ACPI names. Another number of
    the same driver (`ttyAMA10`) is taken away: with it the driver took no other port here either (tried
    with Linux 6.18).
    """
    consoles = [argument for argument in arguments if argument.startswith("console=")]
    if not consoles:
        return ()
    others = [
        console
        for console in consoles
        if _device(console).startswith("ttyAMA") and _device(console) != _CONSOLE
    ]
    if not others and _device(consoles[-1]) == _CONSOLE:
        return ()
    return (
        *(ArgumentEdit(False, console) for console in dict.fromkeys(others)),
        ArgumentEdit(True, f"console={_CONSOLE},115200"),
    )


def _device(argument: str) -> str:
    return argument.partition("=")[2].partition(",")[0]
