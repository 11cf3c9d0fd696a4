"""Boards that an image is booted on with its own devicetree: one file each in `data/image-machines/`.

Their firmware is closed and not emulated: what it does before the kernel is done by bootwright
(`firmware.stage`), and QEMU goes on from there.
"""

from __future__ import annotations

from attrs import field, frozen

from bootwright.firmware.board import Uart
from bootwright.foundation.choices import no_such
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, Hexadecimal, key
from bootwright.foundation.versions import Version

VIRT = "virt"
"""The machine for images that firmware of its own (UEFI, U-Boot) can start."""


@frozen
class BoardMachine:
    """A board that QEMU models from the kernel (or a boot loader in its place) on."""

    name: str = field(metadata=STEM)
    title: str
    board: str
    """A file of `data/boards/`."""
    revision: Hexadecimal
    """The revision code of the emulated board, as text in hexadecimal."""
    limits: str
    source: str
    machine: str
    """QEMU's `-machine`."""
    minimum_qemu: Version
    memory: int
    """MiB; the machine takes no other."""
    granules: tuple[int, ...]
    """Bytes: the page sizes of its CPU."""
    disk: tuple[str, ...]
    """QEMU's arguments for the image, with `{disk}` for its file."""
    network: tuple[str, ...]
    kernels: tuple[str, ...]
    """What the firmware starts where config.txt names nothing."""
    arm_64bit: bool
    """Whether it starts a kernel in 64-bit mode unless told so."""
    dtbs: tuple[str, ...]
    """File names that the firmware looks for in turn."""
    upstream_dtbs: tuple[str, ...]
    """The same with `upstream_kernel=1`."""
    uarts: tuple[Uart, ...] = field(metadata=key("uart"))

    @property
    def board_type(self) -> int:
        """Bits 4-11 of the revision code, as `[board-type=…]` compares them."""
        return self.revision.number >> 4 & 0xFF


BOARD_MACHINES = Kind("image-machines", "a machine to boot an image on", BoardMachine, runs_programs=True)


def board_machine(name: str) -> BoardMachine:
    """The one of that name; raises `Refused` when there is none."""
    if name not in BOARD_MACHINES.names():
        message = f"there is no machine {name} to boot an image on"
        raise no_such(message, name, [VIRT, *BOARD_MACHINES.names()], kind="machines")
    return BOARD_MACHINES.get(name)
