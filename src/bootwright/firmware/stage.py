"""What a Raspberry Pi's firmware hands over to the kernel of a FAT partition.

Raspberry Pi documentation, "config.txt", "UART configuration", "Device Trees, overlays, and parameters". Left
out, and so not judged: start*.elf and the EEPROM themselves, HAT EEPROMs, and what the firmware adds of its
own (the size of memory, MAC addresses, /chosen, kernel arguments).
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from attrs import define, field, frozen

from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.config_txt import ConfigTxt, read_config_txt
from bootwright.firmware.files import BootFiles, boot_files
from bootwright.firmware.given_tree import Overlays, given_tree
from bootwright.firmware.uart import header_uart, kernel_name
from bootwright.formats.devicetree.fdt import MAX_SIZE, Tree, parse_fdt
from bootwright.formats.devicetree.writer import DraftTree
from bootwright.formats.filesystems.filesystem import EntryKind, FileSystem, lookup, read_small
from bootwright.foundation.errors import BootwrightError

_MOST_TEXT = 1 << 20


@frozen
class Stage:
    """The end of the firmware's work."""

    kernel: str | None = None
    """Path on the partition; None where nothing is started."""
    initramfs: tuple[str, ...] = ()
    """Paths of those that are there, to be put one after the other."""
    tree: Tree | None = None
    """The devicetree, None where the kernel gets none."""
    arguments: str = ""
    uart: int | None = None
    """Which of the board's UARTs is on the header's pins; None: none, so that nothing is seen."""
    log: tuple[str, ...] = ()
    """What was read and decided, in order."""
    warnings: tuple[str, ...] = ()
    """The lines of `log` that report something amiss."""
    stopped: str | None = None
    """Why nothing is started."""


def stage(files: FileSystem, board: FirmwareBoard, title: str) -> Stage:
    """The firmware's work on a partition with `files`; `title` names the partition in messages.

    Whatever is amiss on the partition is a result: the firmware goes on, or stops (`Stage.stopped`).
    """
    return _Work(files, board, title).run()


@define
class _Work:
    files: FileSystem
    board: FirmwareBoard
    title: str
    log: list[str] = field(factory=list)
    warnings: list[str] = field(factory=list)

    def run(self) -> Stage:
        config = self._config()
        chosen = boot_files(config, self.board, self._exists)
        self.log += chosen.log
        stopped = self._stops(chosen)
        if stopped is not None:
            self._warn(stopped)
            return Stage(log=tuple(self.log), warnings=tuple(self.warnings), stopped=stopped)
        self.log.append(f"kernel: {chosen.kernel}")
        tree = self._devicetree(config, chosen)
        initramfs = tuple(path for path in chosen.initramfs if self._exists(path))
        for path in chosen.initramfs:
            if path not in initramfs:
                self._warn(f"initramfs: {path} is not there")
        if initramfs:
            self.log.append(f"initramfs: {', '.join(initramfs)}")
        arguments = self._arguments(chosen.arguments)
        tree, uart = self._uart(config, tree)
        arguments = self._with_serial(arguments, tree, uart)
        return Stage(chosen.kernel, initramfs, tree, arguments, uart, tuple(self.log), tuple(self.warnings))

    def _warn(self, text: str) -> None:
        self.log.append(text)
        self.warnings.append(text)

    def _exists(self, path: str) -> bool:
        entry = lookup(self.files, path)
        return entry is not None and entry.kind is EntryKind.FILE

    def _small(self, path: str, most: int = _MOST_TEXT) -> bytes | None:
        try:
            return read_small(self.files, path, most)
        except BootwrightError as error:
            self.log.append(f"{path} is not read: {error.message}")
            return None

    def _config(self) -> ConfigTxt:
        data = self._small("/config.txt")
        if data is None:
            self._warn("there is no config.txt")
        try:
            config = read_config_txt(data or b"", "config.txt", load=lambda name: self._small(f"/{name}"))
        except BootwrightError as error:
            self._warn(f"config.txt is not read: {error.message}")
            return ConfigTxt((), ())
        self.log += [f"config.txt: {problem}" for problem in config.problems]
        for setting in config.settings:
            if self.board.facts.applies(setting.filters) is None:
                self.log.append(
                    f"{setting.condition} {setting.key}={setting.value}: cannot be decided, taken as false"
                )
        return config

    def _stops(self, chosen: BootFiles) -> str | None:
        if chosen.kernel is None:
            return f"the firmware finds no kernel: {', '.join(chosen.kernels)}"
        if not chosen.long_mode:
            name = chosen.kernel.rpartition("/")[2]
            return f"arm_64bit is not 1, so that the firmware starts {name} in 32-bit mode"
        return None

    def _arguments(self, path: str) -> str:
        data = self._small(path)
        if data is None:
            self._warn(f"command line: {path} is not there")
            return ""
        # One line: what follows it is not passed on.
        text = data.decode("utf-8", "replace").partition("\n")[0].strip(" \t\r\0")
        return "".join(char for char in text if char.isprintable())

    def _devicetree(self, config: ConfigTxt, chosen: BootFiles) -> Tree | None:
        if chosen.devicetree is None:
            looked = ", ".join(chosen.devicetrees) or "device_tree is empty"
            self._warn(f"devicetree: none ({looked})")
            return None
        try:
            base = self._tree(chosen.devicetree)
            if base is None:
                return None
            overlays = Overlays(
                lambda name: self._tree(chosen.overlay(name)), self._tree(chosen.overlay_map, optional=True)
            )
            self.log.append(f"devicetree: {chosen.devicetree}")
            given = given_tree(base, config, self.board.facts, overlays, first=chosen.first_overlays)
        except BootwrightError as error:
            self._warn(f"devicetree: {error.message}")
            return None
        self.log += [f"applied: {line}" for line in given.applied]
        for line in given.not_applied:
            self._warn(f"not applied: {line}")
        return given.tree

    def _tree(self, path: str, *, optional: bool = False) -> Tree | None:
        """The devicetree at a path; None where it is not there. Raises `Malformed` unless `optional`."""
        data = self._small(path, MAX_SIZE)
        try:
            return parse_fdt(data, f"{self.title}:{path}") if data is not None else None
        except BootwrightError as error:
            if not optional:
                raise
            self._warn(f"{PurePosixPath(path).name} is not read: {error.message}")
            return None

    def _uart(self, config: ConfigTxt, tree: Tree | None) -> tuple[Tree | None, int | None]:
        """The UART on the header's pins; the mini UART only where config.txt wants it."""
        uarts = self.board.uarts
        if tree is None:
            return None, next((n for n, candidate in enumerate(uarts) if candidate.mini), 0)
        number = header_uart(tree, uarts)
        if number is None:
            self._warn("console: the devicetree puts no UART on the header's GPIO 14 and 15")
            return tree, None
        uart = uarts[number]
        if uart.mini and config.last("enable_uart", self.board.facts) != "1":
            self._warn("console: the header has the mini UART, which is off without enable_uart=1")
            draft = DraftTree(tree)
            for node in draft.root.walk():
                if node.name == uart.node:
                    node.properties["status"] = b"disabled\0"
            return draft.tree(), None
        kind = "mini UART" if uart.mini else "PL011"
        self.log.append(f"console: GPIO 14 and 15 have {uart.unit_address} ({kind})")
        return tree, number

    def _with_serial(self, arguments: str, tree: Tree | None, uart: int | None) -> str:
        """`console=serial0` becomes the kernel's name of the UART on the header."""
        if uart is None or tree is None or "console=serial0" not in arguments:
            return arguments
        name = kernel_name(tree, self.board.uarts[uart])
        self.log.append(f"command line: serial0 is {name}")
        return re.sub(r"\bconsole=serial0\b", f"console={name}", arguments)
