"""Boards that an image is booted on with its own devicetree: one file each in `data/image-machines/`.

Their firmware is closed and not emulated: what it does before the kernel is done by bootwright
(`firmware.stage`), and QEMU goes on from there.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from attrs import frozen

from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.places import data_files
from bootwright.foundation.versions import Version
from bootwright.lab.machines import machine as machines

VIRT = "virt"
"""The machine for images that firmware of its own (UEFI, U-Boot) can start."""


@frozen
class Uart:
    """A serial port of the board, in the order of QEMU's `-serial`."""

    unit_address: str
    """Of its devicetree node, such as `7e201000`."""
    driver: str
    """The kernel's name without its number: `ttyAMA`, `ttyS`."""
    mini: bool
    """Whether it is the mini UART, which the firmware leaves off unless config.txt wants it."""

    @property
    def node(self) -> str:
        """Its devicetree node's name."""
        return f"serial@{self.unit_address}"


@frozen
class BoardMachine:
    """A board that QEMU models from the kernel (or a boot loader in its place) on."""

    name: str
    title: str
    board: str
    """A file of `data/boards/`."""
    revision: int
    """The revision code of the emulated board."""
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
    uarts: tuple[Uart, ...]

    @property
    def board_type(self) -> int:
        """Bits 4-11 of the revision code, as `[board-type=…]` compares them."""
        return self.revision >> 4 & 0xFF


def names() -> list[str]:
    """Every board machine's name."""
    return [path.stem for path in data_files("image-machines")]


def board_machines() -> list[BoardMachine]:
    """All of them."""
    return [load(path) for path in data_files("image-machines")]


def board_machine(name: str) -> BoardMachine:
    """The one of that name; raises `Refused` when there is none."""
    for path in data_files("image-machines"):
        if path.stem == name:
            return load(path)
    raise Refused(
        f"there is no machine {name} to boot an image on", hint=f"known: {VIRT}, {', '.join(names())}"
    )


def load(path: Path) -> BoardMachine:
    """Read one file; raises `Malformed`."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return BoardMachine(
            name=path.stem,
            title=str(table["title"]),
            board=str(table["board"]),
            revision=int(table["revision"], 16),
            limits=str(table["limits"]),
            source=str(table["source"]),
            machine=str(table["machine"]),
            minimum_qemu=machines.minimum_qemu(table),
            memory=int(table["memory"]),
            granules=tuple(map(int, table["granules"])),
            disk=tuple(map(str, table["disk"])),
            network=tuple(map(str, table["network"])),
            kernels=tuple(map(str, table["kernels"])),
            arm_64bit=bool(table["arm_64bit"]),
            dtbs=tuple(map(str, table["dtbs"])),
            upstream_dtbs=tuple(map(str, table["upstream_dtbs"])),
            uarts=tuple(
                Uart(str(each["unit_address"]), str(each["driver"]), bool(each.get("mini", False)))
                for each in table["uart"]
            ),
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Malformed(
            str(path), None, "a board machine's description", f"{type(error).__name__} {error}"
        ) from error
