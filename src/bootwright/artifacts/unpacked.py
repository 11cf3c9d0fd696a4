"""What an artifact boots, as files of this machine: for readers that want a kernel and a module tree.

The folder is laid out as kernel packages are (`boot/vmlinuz-RELEASE`, `boot/config-RELEASE`,
`lib/modules/RELEASE`, `dtbs/`), in the cache, under a hash of what it was made from. It appears whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen

from bootwright.artifacts.arm64_image import KernelImage, unwrapped
from bootwright.artifacts.boot_config import BootEntry, BootMenu
from bootwright.artifacts.bytesource import ByteSource
from bootwright.artifacts.explore_files import ModuleTree
from bootwright.artifacts.facts import Item
from bootwright.artifacts.filesystem import Entry, EntryKind, FileSystem, lookup, walk
from bootwright.artifacts.kernel_config import KernelConfig
from bootwright.artifacts.spool import digest
from bootwright.foundation.atomic import explained
from bootwright.foundation.errors import Missing
from bootwright.foundation.places import cache_dir
from bootwright.foundation.progress import Progress, Silent

_CHUNK = 4 << 20
_KEPT = 16
"""Folders in the cache; the least recently used go first."""

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


@frozen
class Unpacked:
    """A `Boot` as files; None where the artifact has none."""

    folder: Path
    release: str
    kernel: Path
    """A bare arm64 Image."""
    config: Path | None
    modules: Path | None
    dtbs: Path | None
    overlays: Path | None
    initramfs: Path | None
    config_txt: Path | None
    boot: Boot


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


def unpack(root: Item, *, progress: Progress | None = None) -> Unpacked:
    """Put what `boot_of` finds into the cache, unless it is there; raises `Missing`, `Malformed`."""
    progress = progress or Silent()
    boot = boot_of(root)
    key = _key(boot)
    folder = cache_dir() / "unpacked" / key
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with (
            progress.step(f"unpacking what {root.origin.where} boots"),
            tempfile.TemporaryDirectory(prefix=".unpacked-", dir=folder.parent) as room,
        ):
            work = Path(room) / "files"
            try:
                _write(boot, work)
                work.rename(folder)
            except OSError as error:
                # Another process may have been first; what it has is the same.
                if not folder.is_dir():
                    raise explained(error, folder) from error
    os.utime(folder)
    _evict(folder.parent)
    release = str(boot.kernel.fact("release"))
    return Unpacked(
        folder=folder,
        release=release,
        kernel=folder / "boot" / f"vmlinuz-{_safe(release)}",
        config=_there(folder / "boot" / f"config-{_safe(release)}"),
        modules=_there(folder / "lib" / "modules" / _safe(release)),
        dtbs=_there(folder / "dtbs"),
        overlays=_there(folder / "overlays"),
        initramfs=_there(folder / "boot" / "initramfs"),
        config_txt=_there(folder / "config.txt"),
        boot=boot,
    )


def _evict(folder: Path) -> None:
    folders = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in sorted(folders, key=lambda each: each.stat().st_mtime)[:-_KEPT]:
        shutil.rmtree(path, ignore_errors=True)


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


def _key(boot: Boot) -> str:
    """A hash of the parts: their bytes, and of the modules names, sizes and where they are."""
    total = hashlib.sha256(b"2\0")
    parts = [boot.kernel, boot.initramfs, boot.config_txt, *boot.devicetrees, *boot.overlays]
    for item in parts:
        if item is not None and item.source is not None:
            total.update(f"{item.name}\0{digest(item.source)}\n".encode("utf-8", "surrogateescape"))
    if boot.config is not None:
        total.update(_text(boot.config).encode())
    if boot.modules is not None and isinstance(boot.modules.detail, ModuleTree):
        tree = boot.modules.detail
        listing = [(entry.path, entry.size, entry.handle) for entry in tree.files]
        total.update(json.dumps([tree.release, listing]).encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _write(boot: Boot, folder: Path) -> None:
    release = _safe(str(boot.kernel.fact("release")))
    assert boot.kernel.source is not None  # noqa: S101  (a kernel is described from its bytes)
    _copy(unwrapped(boot.kernel.source)[0], folder / "boot" / f"vmlinuz-{release}")
    if boot.config is not None:
        path = folder / "boot" / f"config-{release}"
        path.write_text(_text(boot.config))
    if boot.initramfs is not None and boot.initramfs.source is not None:
        _copy(boot.initramfs.source, folder / "boot" / "initramfs")
    if boot.config_txt is not None and boot.config_txt.source is not None:
        _copy(boot.config_txt.source, folder / "config.txt")
    for name, items in (("dtbs", boot.devicetrees), ("overlays", boot.overlays)):
        for item in items:
            target = folder / name / _safe(item.name.rpartition("/")[2])
            # The first of a name counts, as where a boot loader looks along a path.
            if item.source is not None and not target.exists():
                _copy(item.source, target)
    if boot.modules is not None and boot.modules.files is not None:
        _copy_modules(boot.modules, boot.modules.files, folder / "lib" / "modules" / release)


def _copy_modules(item: Item, files: FileSystem, folder: Path) -> None:
    tree = item.detail
    assert isinstance(tree, ModuleTree)  # noqa: S101  (chosen by boot_of)
    start = lookup(files, tree.path)
    if start is None:
        return
    for entry in walk(files, start=start):
        if not isinstance(entry, Entry) or entry.kind is not EntryKind.FILE:
            continue
        relative = entry.path[len(tree.path) :].lstrip("/")
        # Names come from the medium: `safe_name` has let no `/` and no `..` into them.
        if ".." not in relative.split("/"):
            _copy(files.open(entry), folder / relative)


def _copy(source: ByteSource, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        for start in range(0, len(source), _CHUNK):
            file.write(source.read(start, min(_CHUNK, len(source) - start)))


def _text(config: Item) -> str:
    """A configuration as a file, whether it was one or not."""
    parsed = config.detail
    assert isinstance(parsed, KernelConfig)  # noqa: S101  (chosen by _config)
    lines = [
        f"{name}={value}" if _is_plain(value) else f"{name}={_quoted(value)}"
        for name, value in parsed.options.items()
    ]
    lines += [f"# {name} is not set" for name in sorted(parsed.unset)]
    return "\n".join([*lines, ""])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_plain(value: str) -> bool:
    number = value.removeprefix("-").removeprefix("0x")
    return value in {"y", "m"} or (number != "" and all(char in "0123456789abcdefABCDEF" for char in number))


def _safe(name: str) -> str:
    """A name from a medium as one part of a path of this machine."""
    kept = "".join(char if char.isalnum() or char in "._+~-" else "_" for char in name)[:200]
    return kept if kept.strip(".") else "_"


def _there(path: Path) -> Path | None:
    return path if path.exists() else None
