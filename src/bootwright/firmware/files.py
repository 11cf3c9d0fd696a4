"""Which files the firmware loads from its partition: kernel, initramfs, arguments, devicetree, overlays.

Raspberry Pi documentation, "config.txt", boot options: `os_prefix` is put before the names of all of them,
unless they begin with `/`, and counts only where kernel and devicetree are found with it; overlays have it
only where a README lies beside them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from attrs import define, field, frozen

from bootwright.firmware.board import FirmwareBoard
from bootwright.firmware.config_txt import ConfigTxt

_KNOWN_64 = frozenset({"kernel8.img", "kernel_2712.img"})
"""Kernels that are started in 64-bit mode by their names ("config.txt", arm_64bit)."""
PREFIX_KEYS = ("os_prefix", "overlay_prefix", "upstream_kernel")
"""Settings that put something before the names of files."""
_UPSTREAM = "upstream"
"""The overlay that is applied to a downstream devicetree with `upstream_kernel=1`."""


@frozen
class BootFiles:
    """Paths on the partition, each beginning with `/`."""

    kernel: str | None
    """None where none of `kernels` is there."""
    kernels: tuple[str, ...]
    """What was looked for."""
    long_mode: bool
    """Whether the kernel is started in 64-bit mode."""
    devicetree: str | None
    devicetrees: tuple[str, ...]
    """What was looked for; empty where config.txt wants none (`device_tree=`)."""
    initramfs: tuple[str, ...]
    """To be loaded one after the other; they need not be there."""
    arguments: str
    """The file with the command line, which need not be there."""
    overlays: str
    """What an overlay's name is put behind, such as `/overlays/`."""
    first_overlays: tuple[str, ...] = ()
    """Overlays that are loaded whatever config.txt says."""
    log: tuple[str, ...] = ()
    """What was decided on the way."""

    def overlay(self, name: str) -> str:
        """The path of an overlay."""
        return f"{self.overlays}{name}.dtbo"

    @property
    def overlay_map(self) -> str:
        """The path of the map of overlays."""
        return f"{self.overlays}overlay_map.dtb"


def boot_files(config: ConfigTxt, board: FirmwareBoard, exists: Callable[[str], bool]) -> BootFiles:
    """What the firmware loads on a board; `exists` says whether a path of the partition is a file."""
    return _Search(config, board, exists).result()


@define
class _Search:
    config: ConfigTxt
    board: FirmwareBoard
    exists: Callable[[str], bool]
    prefix: str = ""
    log: list[str] = field(factory=list)

    def result(self) -> BootFiles:
        kernels, dtbs = self._kernel_names(), self._dtb_names()
        self.prefix = self._usable_prefix(kernels, dtbs)
        kernel = self._first(kernels)
        devicetree = self._first(dtbs)
        first: tuple[str, ...] = ()
        if self._upstream() and devicetree is not None and dtbs and devicetree != self._place(dtbs[0]):
            first = (_UPSTREAM,)
        return BootFiles(
            kernel=kernel,
            kernels=tuple(map(self._place, kernels)),
            long_mode=self._long_mode(kernel),
            devicetree=devicetree,
            devicetrees=tuple(map(self._place, dtbs)),
            initramfs=self._initramfs(kernel),
            arguments=self._place(self._value("cmdline") or "cmdline.txt"),
            overlays=self._overlays(),
            first_overlays=first,
            log=tuple(self.log),
        )

    def _value(self, key: str) -> str | None:
        return self.config.last(key, self.board.facts)

    def _place(self, name: str) -> str:
        return name if name.startswith("/") else f"/{self.prefix}{name}"

    def _first(self, names: tuple[str, ...]) -> str | None:
        return next((place for place in map(self._place, names) if self.exists(place)), None)

    def _upstream(self) -> bool:
        return self._value("upstream_kernel") == "1"

    def _kernel_names(self) -> tuple[str, ...]:
        named = self._value("kernel")
        return (named,) if named else self.board.kernels

    def _dtb_names(self) -> tuple[str, ...]:
        named = self._value("device_tree")
        if named is not None:
            return (named,) if named else ()
        return self.board.upstream_dtbs if self._upstream() else self.board.dtbs

    def _usable_prefix(self, *wanted: tuple[str, ...]) -> str:
        prefix = self._value("os_prefix") or (f"{_UPSTREAM}/" if self._upstream() else "")
        if not prefix:
            return ""
        prefix = prefix.lstrip("/")
        complete = all(
            any(self.exists(name if name.startswith("/") else f"/{prefix}{name}") for name in names)
            for names in wanted
            if names
        )
        use = "used" if complete else "ignored, kernel or devicetree is not there"
        self.log.append(f"os_prefix {prefix}: {use}")
        return prefix if complete else ""

    def _long_mode(self, kernel: str | None) -> bool:
        if self.board.only_64bit:
            return True
        if kernel is not None and kernel.rpartition("/")[2] in _KNOWN_64:
            return True
        value = self._value("arm_64bit")
        return self.board.arm_64bit if value is None else value == "1"

    def _initramfs(self, kernel: str | None) -> tuple[str, ...]:
        names: list[str] = []
        for setting in self.config.settings:
            if setting.key in {"initramfs", "ramfsfile"} and self.board.facts.applies(setting.filters):
                names = [name for name in (setting.value.split() or [""])[0].split(",") if name]
        if not names and kernel is not None and self._value("auto_initramfs") == "1":
            # kernel8.img → initramfs8, beside it; of other names nothing is documented.
            folder, slash, file = kernel.rpartition("/")
            match = re.fullmatch(r"kernel(.*)\.img", file)
            names = [f"{folder}{slash}initramfs{match[1]}"] if match else []
        return tuple(map(self._place, names))

    def _overlays(self) -> str:
        prefix = self._value("overlay_prefix") or "overlays/"
        shared = self.prefix and not self.exists(f"/{self.prefix}{prefix}README")
        return f"/{'' if shared else self.prefix}{prefix}".replace("//", "/")
