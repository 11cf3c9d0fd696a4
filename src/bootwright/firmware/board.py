"""What the firmware's stage needs to know about the board it runs on."""

from __future__ import annotations

from attrs import frozen

from bootwright.firmware.filters import BoardFacts


@frozen
class Uart:
    """A serial port of the board."""

    unit_address: str
    """Of its devicetree node, such as `7e201000`."""
    driver: str
    """The kernel's name without its number: `ttyAMA`, `ttyS`."""
    mini: bool = False
    """Whether it is the mini UART, which the firmware leaves off unless config.txt wants it."""

    @property
    def node(self) -> str:
        """Its devicetree node's name."""
        return f"serial@{self.unit_address}"


@frozen
class FirmwareBoard:
    """A board as its firmware knows it, with the file names that are built into the firmware."""

    facts: BoardFacts
    kernels: tuple[str, ...]
    """What is started where config.txt names nothing, in turn."""
    arm_64bit: bool
    """Whether a kernel is started in 64-bit mode unless config.txt says otherwise."""
    dtbs: tuple[str, ...]
    """File names that are looked for in turn."""
    upstream_dtbs: tuple[str, ...] = ()
    """The same with `upstream_kernel=1`."""
    only_64bit: bool = False
    """Whether it starts kernels in 64-bit mode whatever config.txt says."""
    uarts: tuple[Uart, ...] = ()
