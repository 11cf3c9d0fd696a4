"""What of an artifact would be booted: the kernel its boot loader starts, and what goes with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from attrs import field, frozen

from bootwright.artifacts.arm64_image import KernelImage
from bootwright.artifacts.boot_config import BootEntry, BootMenu
from bootwright.artifacts.explore_files import ModuleTree
from bootwright.artifacts.facts import Item, Value
from bootwright.artifacts.kernel_config import KernelConfig
from bootwright.foundation.errors import Missing

_T = TypeVar("_T")


@frozen
class Boot:
    """What of an artifact would be booted."""

    kernel: Item
    others: tuple[Item, ...]
    """Further kernels, which are not the one that is started."""
    entry: BootEntry | None
    """The boot loader's entry that names the kernel, where there is one."""
    initramfs: Item | None
    config: Item | None
    devicetrees: tuple[Item, ...]
    overlays: tuple[Item, ...]
    config_txt: Item | None
    modules: Item | None
    """The module tree of the kernel's release."""
    arguments: str | None
    os: dict[str, str] = field(factory=dict)
    """os-release: `ID`, `VERSION_ID`, …"""

    def as_json(self) -> dict[str, Value]:
        """The documented form."""
        return {
            "kernel": self.kernel.origin.as_json(),
            "release": self.kernel.fact("release"),
            "page_size": self.kernel.fact("page_size"),
            "initramfs": self.initramfs.origin.as_json() if self.initramfs else None,
            "arguments": self.arguments,
            "entry": self.entry.title if self.entry else None,
            "modules": self.modules.origin.as_json() if self.modules else None,
            "os": self.os.get("PRETTY_NAME") or self.os.get("ID"),
            "os_version": self.os.get("VERSION_ID"),
            "other_kernels": [item.origin.as_json() for item in self.others],
        }


def boot_of(root: Item) -> Boot:
    """What the artifact boots: the default entry of its boot loader, else its UKI, else its kernel.

    Raises `Missing` when it has no kernel.
    """
    kernels = [item for item in root.of_kind("kernel") if isinstance(item.detail, KernelImage)]
    if not kernels:
        raise Missing(
            f"{root.origin.where} holds no arm64 kernel", hint="`bootwright inspect` shows what it holds"
        )
    entry = _default_entry(root)
    kernel = _named(kernels, entry.kernel) if entry else None
    if kernel is None:
        entry = None
        inside = [item for uki in root.of_kind("uki") for item in uki.of_kind("kernel")]
        kernel = next(iter(inside), kernels[0])
    uki = next((each for each in root.of_kind("uki") if kernel in each.of_kind("kernel")), None)
    near = uki or root
    release = kernel.fact("release")
    initramfs = [each for each in near.of_kind("initramfs") if each.files is not None]
    modules = [
        each
        for each in root.of_kind("modules")
        if isinstance(each.detail, ModuleTree) and each.detail.release == release and each.detail.files
    ]
    lines = [str(each.detail) for each in near.of_kind("command-line") if isinstance(each.detail, str)]
    systems = [each.detail for each in root.of_kind("os-release") if isinstance(each.detail, dict)]
    return Boot(
        kernel=kernel,
        others=tuple(each for each in kernels if each is not kernel),
        entry=entry,
        initramfs=_named(initramfs, entry.initrds[-1]) if entry and entry.initrds else _first(initramfs),
        config=_config(root, kernel),
        devicetrees=tuple(root.of_kind("devicetree")),
        overlays=tuple(root.of_kind("overlay")),
        config_txt=_first(root.of_kind("config-txt")),
        modules=_first(modules),
        arguments=entry.arguments if entry else _first(lines),
        os=next(iter(systems), {}),
    )


def _default_entry(root: Item) -> BootEntry | None:
    menus = [item for item in root.of_kind("grub-config", "extlinux") if isinstance(item.detail, BootMenu)]
    for item in menus:
        menu = item.detail
        assert isinstance(menu, BootMenu)  # noqa: S101  (chosen above)
        started = [each for each in menu.entries if each.kernel]
        default = menu.default or "0"
        by_number = int(default) if default.isascii() and default.isdigit() else -1
        for index, each in enumerate(started):
            if each.title == default or index == by_number:
                return each
        if started:
            return started[0]
    entries = [item.detail for item in root.of_kind("loader-entry")]
    return next((each for each in entries if isinstance(each, BootEntry) and each.kernel), None)


def _named(items: Iterable[Item], path: str | None) -> Item | None:
    """The item of that path; a boot loader may put a device in front of it, as in `($root)/vmlinuz`."""
    if not path:
        return None
    wanted = path.rpartition(")")[2]
    wanted = f"/{wanted.lstrip('/')}"
    matching = [item for item in items if item.name == wanted or item.name.endswith(wanted)]
    return min(matching, key=lambda item: len(item.name), default=None)


def _config(root: Item, kernel: Item) -> Item | None:
    """The kernel's embedded configuration, or the file that goes with its release."""
    embedded = [each for each in kernel.of_kind("kernel-config") if isinstance(each.detail, KernelConfig)]
    if embedded:
        return embedded[0]
    release = str(kernel.fact("release"))
    found = [each for each in root.of_kind("kernel-config") if isinstance(each.detail, KernelConfig)]
    exact = [each for each in found if release in each.name]
    return _first(exact) or (found[0] if len(found) == 1 else None)


def _first(items: Iterable[_T]) -> _T | None:
    return next(iter(items), None)
