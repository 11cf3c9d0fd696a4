"""What a board's firmware hands over, and how the emulator is started with it.

The firmware itself is closed; `firmware.stage` does its work by its documentation. Everything
from the kernel (or the boot loader that config.txt names in its place) on is run by QEMU, with the image as
SD card.
"""

from __future__ import annotations

from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.errors import Missing
from bootwright.image_boot.machine import BoardMachine
from bootwright.image_boot.overlay import card_size, write_overlay
from bootwright.lab.machines.qemu import Qemu

MARK = "firmware stage by bootwright, kernel on by QEMU"
"""How results of such a boot are marked everywhere."""


@frozen
class HandOver:
    """The end of the firmware's stage."""

    machine: BoardMachine
    kernel: Path | None
    """What is started; None where the firmware finds nothing to start."""
    initramfs: Path | None
    devicetree: Path | None
    """As the firmware would leave it; the emulator adds memory, arguments and initramfs to /chosen."""
    arguments: str
    uart: int | None
    """Which of the machine's UARTs is on the header's pins; None: none, so that nothing is seen."""
    log: tuple[str, ...] = field(factory=tuple)
    """What was read and decided, in order."""
    warnings: tuple[str, ...] = ()
    """Those of `log` that warn of a problem."""
    stopped: str | None = None
    """Why nothing is started."""

    @property
    def name(self) -> str:
        """As `Firmware.name`."""
        return "bootwright"

    @property
    def title(self) -> str:
        """As `Firmware.title`."""
        return f"{self.machine.title}: {MARK}"

    def check(self, emulator: Qemu) -> None:
        """Raises `Missing` where this QEMU has no such machine."""
        if emulator.version < self.machine.minimum_qemu or self.machine.machine not in emulator.machines:
            raise Missing(
                f"machine {self.machine.name} needs QEMU {self.machine.minimum_qemu} or later; "
                f"{emulator.path} is {emulator.version}",
                hint="install a newer qemu-system-arm (distributions offer one as a backport)",
            )

    def arguments_for(self, disk: Path, work_folder: Path, *, network: bool) -> tuple[str, ...]:
        """QEMU's arguments but for the control channel; an overlay of the card is made in `work_folder`."""
        overlay = work_folder / "card.qcow2"
        write_overlay(disk, overlay, card_size(disk.stat().st_size))
        # One thread: processors that wait to be released (wfe) yield there, and burn a core each otherwise.
        parts = ["-accel", "tcg,thread=single", "-machine", self.machine.machine]
        parts += ["-m", str(self.machine.memory)]
        parts += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
        parts += ["-chardev", "stdio,id=console,signal=off"]
        for number in range(len(self.machine.uarts)):
            parts += ["-serial", "chardev:console" if number == self.uart else "null"]
        parts += [part.format(disk=str(overlay).replace(",", ",,")) for part in self.machine.disk]
        if network:
            parts += self.machine.network
        parts += ["-kernel", str(self.kernel)]
        if self.initramfs is not None:
            parts += ["-initrd", str(self.initramfs)]
        if self.devicetree is not None:
            parts += ["-dtb", str(self.devicetree)]
        if self.arguments:
            parts += ["-append", self.arguments]
        return tuple(parts)
