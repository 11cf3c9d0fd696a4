"""What a Raspberry Pi's firmware does between power and the kernel, done here by its documentation.

Raspberry Pi documentation, "config.txt" (boot options, conditional filters), "UART configuration", "Device
trees, overlays, and parameters". It reads config.txt, chooses kernel, initramfs and devicetree on the first
FAT partition, applies overlays and parameters, and tells which UART is on the header. Left out, and so not
judged: start*.elf and the EEPROM themselves, HAT EEPROMs, overlay_map.dtb, and the arguments that the
firmware adds of its own.
"""

from __future__ import annotations

import re
from pathlib import Path

from attrs import define, field

from bootwright.boards.model import board
from bootwright.firmware.config_txt import BoardFacts, ConfigTxt, read_config_txt
from bootwright.firmware.overrides import parameters, set_parameter
from bootwright.firmware.tree import Draft
from bootwright.firmware.uart import header_uart, kernel_name
from bootwright.formats.devicetree.fdt import Tree, parse_fdt
from bootwright.formats.devicetree.overlay import read_with_overlays
from bootwright.formats.filesystems.filesystem import EntryKind, lookup, read_small
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError, Refused
from bootwright.image_boot.machine import BoardMachine
from bootwright.image_boot.stage import HandOver
from bootwright.images.opened import OpenImage, Volume, open_image

_MOST_TEXT = 1 << 20
_MOST_PART = 1 << 30
_CHUNK = 4 << 20
_KNOWN_64 = {"kernel8.img", "kernel_2712.img"}


def firmware_stage(image: Path, machine: BoardMachine, room: Path) -> HandOver:
    """What the firmware of `machine` would start of the raw `image`; its files are written to `room`.

    An image that it starts nothing of is a result too (`HandOver.stopped`). Raises `Malformed` for what is
    no disk image, `Missing` without fdtoverlay where overlays are to be applied.
    """
    opened = open_image(image)
    volume = _boot_volume(opened)
    if volume is None:
        return HandOver(machine, None, None, None, "", None, stopped="the image has no FAT partition to read")
    return stage_of(volume, machine, room)


def stage_of(volume: Volume, machine: BoardMachine, room: Path) -> HandOver:
    """The same of an opened FAT partition; raises `Malformed` where its files cannot be read."""
    room.mkdir(parents=True, exist_ok=True)
    return _Stage(machine, volume, room).run()


def _boot_volume(opened: OpenImage) -> Volume | None:
    fat = [volume for volume in opened.volumes if volume.files.type == "vfat"]
    return next((volume for volume in fat if lookup(volume.files, "/config.txt")), fat[0] if fat else None)


class _Stopped(Exception):
    """The firmware goes no further."""


@define
class _Stage:
    machine: BoardMachine
    volume: Volume
    room: Path
    log: list[str] = field(factory=list)
    warnings: list[str] = field(factory=list)
    _config: ConfigTxt = field(init=False)
    _facts: BoardFacts = field(init=False)
    _prefix: str = ""

    def __attrs_post_init__(self) -> None:
        data = self._small("/config.txt")
        if data is None:
            self._warn("there is no config.txt")
        try:
            self._config = read_config_txt(
                data or b"", "config.txt", load=lambda name: self._small(f"/{name}")
            )
        except BootwrightError as error:
            self._warn(f"config.txt is not read: {error.message}")
            self._config = ConfigTxt((), ())
        self.log += [f"config.txt: {problem}" for problem in self._config.problems]
        self._facts = BoardFacts(
            models=board(self.machine.board).firmware_models, board_type=self.machine.board_type
        )
        for each in self._config.settings:
            if self._facts.applies(each.filters) is None:
                self.log.append(f"{each.condition} {each.key}={each.value}: not known here, taken as not so")

    def run(self) -> HandOver:
        tree: Tree | None = None
        kernel: Path | None = None
        initramfs: Path | None = None
        uart: int | None = None
        arguments, stopped = "", None
        try:
            self._prefix = self._chosen_prefix()
            kernel = self._kernel()
            tree = self._devicetree()
            initramfs = self._initramfs()
            arguments = self._arguments()
            tree, uart = self._uart(tree)
            arguments = self._with_serial(arguments, tree, uart)
        except _Stopped as reason:
            stopped = str(reason)
            kernel = None
            self._warn(stopped)
        blob = None
        if tree is not None and kernel is not None:
            blob = self.room / "board.dtb"
            blob.write_bytes(tree.blob)
        return HandOver(
            self.machine, kernel, initramfs, blob, arguments, uart, tuple(self.log), tuple(self.warnings),
            stopped
        )  # fmt: skip

    def _warn(self, text: str) -> None:
        self.log.append(text)
        self.warnings.append(text)

    # Settings and files.

    def _value(self, key: str) -> str | None:
        found = [
            each.value
            for each in self._config.settings
            if each.key == key and self._facts.applies(each.filters) is True
        ]
        return found[-1] if found else None

    def _place(self, name: str, prefix: str | None = None) -> str:
        """A path on the partition; a name that begins with a slash takes no prefix."""
        return name if name.startswith("/") else f"/{self._prefix if prefix is None else prefix}{name}"

    def _open(self, place: str) -> ByteSource | None:
        entry = lookup(self.volume.files, place)
        if entry is None or entry.kind is not EntryKind.FILE:
            return None
        return self.volume.files.open(entry)

    def _small(self, place: str) -> bytes | None:
        try:
            return read_small(self.volume.files, place, _MOST_TEXT)
        except BootwrightError as error:
            self.log.append(f"{place} is not read: {error.message}")
            return None

    def _copied(self, places: list[str], name: str) -> Path:
        path = self.room / name
        with path.open("wb") as file:
            for place in places:
                source = self._open(place)
                if source is None or len(source) > _MOST_PART:
                    raise Refused(f"{self.volume.path(place)} cannot be read as a part of the boot")
                for start in range(0, len(source), _CHUNK):
                    file.write(source.read(start, min(_CHUNK, len(source) - start)))
        return path

    # The steps, in the firmware's order.

    def _upstream(self) -> bool:
        return self._value("upstream_kernel") == "1"

    def _dtb_names(self) -> tuple[str, ...]:
        explicit = self._value("device_tree")
        if explicit is not None:
            return (explicit,) if explicit else ()
        return self.machine.upstream_dtbs if self._upstream() else self.machine.dtbs

    def _kernel_names(self) -> tuple[str, ...]:
        explicit = self._value("kernel")
        return (explicit,) if explicit else self.machine.kernels

    def _chosen_prefix(self) -> str:
        """`os_prefix` counts only where kernel and devicetree are found with it."""
        prefix = self._value("os_prefix") or ("upstream/" if self._upstream() else "")
        if not prefix:
            return ""
        found = all(
            any(self._open(self._place(name, prefix)) is not None for name in names)
            for names in (self._kernel_names(), self._dtb_names())
        )
        self.log.append(
            f"os_prefix {prefix}: {'used' if found else 'ignored, kernel or devicetree is not there'}"
        )
        return prefix if found else ""

    def _kernel(self) -> Path:
        names = self._kernel_names()
        name = next((each for each in names if self._open(self._place(each)) is not None), None)
        if name is None:
            raise _Stopped(f"the firmware finds no kernel: {', '.join(self._place(each) for each in names)}")
        said = self._value("arm_64bit")
        long = said == "1" if said is not None else self.machine.arm_64bit
        if name.rpartition("/")[2] in _KNOWN_64:
            long = True
        if not long:
            raise _Stopped(f"arm_64bit is not 1, so that the firmware starts {name} in 32-bit mode")
        self.log.append(f"kernel: {self._place(name)}")
        return self._copied([self._place(name)], "kernel")

    def _initramfs(self) -> Path | None:
        names: list[str] = []
        for each in self._config.settings:
            if each.key in {"initramfs", "ramfsfile"} and self._facts.applies(each.filters) is True:
                names = [name for name in (each.value.split() or [""])[0].split(",") if name]
        if not names and self._value("auto_initramfs") == "1":
            # kernel8.img → initramfs8, beside it.
            kernel = self._kernel_names()[0]
            folder, slash, file = kernel.rpartition("/")
            names = [f"{folder}{slash}{re.sub(r'^kernel', 'initramfs', file).removesuffix('.img')}"]
        places = [self._place(name) for name in names]
        missing = [place for place in places if self._open(place) is None]
        for place in missing:
            self._warn(f"initramfs: {place} is not there")
        there = [place for place in places if place not in missing]
        if not there:
            return None
        self.log.append(f"initramfs: {', '.join(there)}")
        return self._copied(there, "initramfs")

    def _arguments(self) -> str:
        place = self._place(self._value("cmdline") or "cmdline.txt")
        data = self._small(place)
        if data is None:
            self._warn(f"command line: {place} is not there")
            return ""
        # One line: what follows it is not passed on.
        text = data.decode("utf-8", "replace").partition("\n")[0].strip(" \t\r\0")
        return "".join(char for char in text if char.isprintable())

    def _devicetree(self) -> Tree | None:
        names = self._dtb_names()
        name = next((each for each in names if self._open(self._place(each)) is not None), None)
        if name is None:
            looked = ", ".join(self._place(each) for each in names) or "device_tree is empty"
            self._warn(f"devicetree: none ({looked})")
            return None
        place = self._place(name)
        data = self._copied([place], "base.dtb").read_bytes()
        try:
            tree = parse_fdt(data, self.volume.path(place))
        except BootwrightError as error:
            self._warn(f"devicetree: {error.message}")
            return None
        self.log.append(f"devicetree: {place}")
        overlays = self._overlays()
        if self._upstream() and name not in self.machine.upstream_dtbs[:1]:
            overlays.insert(0, ("upstream", []))
        return self._with_overlays(tree, overlays)

    def _overlays(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """(overlay, its parameters) in order; the name is empty for parameters of the devicetree itself."""
        found: list[tuple[str, list[tuple[str, str]]]] = []
        for each in self._config.settings:
            if each.key not in {"dtoverlay", "dtparam"} or self._facts.applies(each.filters) is not True:
                continue
            words = [word.strip() for word in each.value.split(",")]
            if each.key == "dtoverlay":
                found.append((words.pop(0).removesuffix(".dtbo"), []))
            elif not found:
                found.append(("", []))
            given = [word.partition("=") for word in words if word]
            found[-1][1].extend(
                (key.strip(), value.strip() if equals else "on") for key, equals, value in given
            )
        return found

    def _with_overlays(self, tree: Tree, overlays: list[tuple[str, list[tuple[str, str]]]]) -> Tree:
        prefix = self._value("overlay_prefix") or "overlays/"
        shared = self._prefix if self._open(f"/{self._prefix}{prefix}README") is not None else ""
        for name, values in overlays:
            base = Draft.of(tree.root)
            if not name:
                if self._set(base, values, "the devicetree"):
                    tree = parse_fdt(base.blob(tree), tree.name)
                continue
            place = f"/{shared}{prefix}{name}.dtbo"
            source = self._open(place)
            if source is None:
                self._warn(f"overlay: {place} is not there")
                continue
            try:
                overlay = parse_fdt(source.read(0, len(source)), self.volume.path(place))
                draft = Draft.of(overlay.root)
                # A parameter is looked for in the overlay first, then in what it is applied to.
                own = [each for each in values if each[0] in parameters(draft)]
                self._set(draft, own, name)
                if self._set(base, [each for each in values if each not in own], name):
                    tree = parse_fdt(base.blob(tree), tree.name)
                tree = self._merged(tree, draft.blob(overlay))
                self.log.append(f"overlay: {place}")
            except Refused:
                raise
            except BootwrightError as error:
                # The firmware drops an overlay that does not fit, and goes on.
                self._warn(f"overlay: {place} is dropped: {error.message}")
        return tree

    def _merged(self, tree: Tree, overlay: bytes) -> Tree:
        base, other = self.room / "merge-base.dtb", self.room / "merge.dtbo"
        base.write_bytes(tree.blob)
        other.write_bytes(overlay)
        return read_with_overlays(base, [other])

    def _set(self, draft: Draft, values: list[tuple[str, str]], what: str) -> bool:
        known = parameters(draft)
        for name, value in values:
            if name not in known:
                self._warn(f"parameter {name}={value}: {what} has none of the name")
                continue
            left = set_parameter(draft, name, value)
            self.log.append(f"parameter {name}={value} of {what}")
            for target in left:
                self._warn(f"parameter {name} of {what}: not applied to {target}")
        return bool(values)

    def _uart(self, tree: Tree | None) -> tuple[Tree | None, int | None]:
        """The UART on the header's pins; the mini UART only where config.txt wants it."""
        if tree is None:
            return None, next((n for n, each in enumerate(self.machine.uarts) if each.mini), 0)
        number = header_uart(tree, self.machine)
        if number is None:
            self._warn("console: the devicetree puts no UART on the header's GPIO 14 and 15")
            return tree, None
        uart = self.machine.uarts[number]
        if uart.mini and self._value("enable_uart") != "1":
            self._warn("console: the header has the mini UART, which is off without enable_uart=1")
            draft = Draft.of(tree.root)
            for each in draft.walk():
                if each.name == uart.node:
                    each.properties["status"] = b"disabled\0"
            return parse_fdt(draft.blob(tree), tree.name), None
        kind = "mini UART" if uart.mini else "PL011"
        self.log.append(f"console: GPIO 14 and 15 have {uart.unit_address} ({kind})")
        return tree, number

    def _with_serial(self, arguments: str, tree: Tree | None, uart: int | None) -> str:
        """`console=serial0` becomes the kernel's name of the UART on the header."""
        if uart is None or tree is None or "console=serial0" not in arguments:
            return arguments
        name = kernel_name(tree, self.machine.uarts[uart])
        self.log.append(f"command line: serial0 is {name}")
        return re.sub(r"\bconsole=serial0\b", f"console={name}", arguments)
