"""What a boot loader could start of an artifact, the one it starts by itself first.

GRUB and extlinux by their menus; systemd-boot (and GRUB's blscfg) by loader entries and UKIs in its order
(systemd 256, src/boot/boot.c boot_entry_compare, and the Boot Loader Specification's section on sorting); the
Raspberry Pi's firmware by config.txt's `kernel`; else the UKIs and kernels that are there.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence

from attrs import evolve, field, frozen

from bootwright.bootchain.boot_entries import BootEntry, BootMenu
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.inspect.facts import Item

_PARTS = re.compile(r"\d+|[^\d]+")


@frozen
class Choice:
    """One thing that can be started."""

    title: str
    name: str
    """The entry's id, or the file's name."""
    kernel: Item
    initramfs: tuple[Item, ...] = ()
    """In the order they are handed over."""
    arguments: str | None = None
    devicetree: Item | None = None
    entry: BootEntry | None = None
    unsure: str = ""
    rank: tuple[object, ...] = field(default=(), repr=False)


def choices(root: Item, kernels: Sequence[Item]) -> tuple[Choice, ...]:
    """What can be started, each kernel at least once; the first is what is."""
    found = [*_menus(root, kernels)]
    found = found or _ordered([*_loader_entries(root, kernels), *_ukis(root, kernels)], root)
    found = found or [*_firmware(root, kernels)]
    known = {id(each.kernel) for each in found}
    loose = [each for each in root.of_kind("initramfs") if each.files is not None]
    lines = [str(each.detail) for each in root.of_kind("command-line") if isinstance(each.detail, str)]
    for kernel in kernels:
        if id(kernel) not in known:
            name = kernel.name.rpartition("/")[2]
            found.append(
                Choice("", name, kernel, tuple(_beside(kernel, loose)), arguments=next(iter(lines), None))
            )
    if len(found) > 1 and found[0].entry is None and not found[0].unsure and not found[0].title:
        found[0] = evolve(found[0], unsure="no boot loader's configuration is among the files")
    return tuple(found)


def _menus(root: Item, kernels: Sequence[Item]) -> Iterator[Choice]:
    """The entries of the first menu that starts one of the kernels, the default first."""
    for item in root.of_kind("grub-config", "extlinux"):
        menu = item.detail
        if not isinstance(menu, BootMenu):
            continue
        able = [each for each in menu.entries if _named(kernels, each.kernel) is not None]
        first = menu.started()
        if menu.loader_entries and not able:
            chosen = [*_loader_entries(root, kernels)]
            chosen.sort(key=lambda each: (each.name != menu.default, *_sorting(each)))
            if chosen:
                yield evolve(chosen[0], unsure=menu.unsure)
                yield from chosen[1:]
                return
        if first in able and first is not None:
            able.remove(first)
            able.insert(0, first)
        for number, each in enumerate(able):
            made = _of_entry(root, kernels, each)
            if made is not None:
                yield evolve(made, unsure=menu.unsure if number == 0 else each.condition)
        if able:
            return


def _of_entry(root: Item, kernels: Sequence[Item], entry: BootEntry) -> Choice | None:
    kernel = _named(kernels, entry.kernel)
    if kernel is None:
        return None
    loose = [each for each in root.of_kind("initramfs") if each.files is not None]
    named = [_named(loose, path) for path in entry.initrds]
    trees = root.of_kind("devicetree")
    folder = entry.devicetree_directory
    return Choice(
        title=entry.title,
        name=entry.id or entry.title,
        kernel=kernel,
        initramfs=tuple(each for each in named if each is not None),
        arguments=entry.arguments,
        devicetree=_named(trees, entry.devicetree) if entry.devicetree and folder is None else None,
        entry=entry,
    )


def _loader_entries(root: Item, kernels: Sequence[Item]) -> Iterator[Choice]:
    for item in root.of_kind("loader-entry"):
        if isinstance(item.detail, BootEntry):
            made = _of_entry(root, kernels, item.detail)
            if made is not None:
                version = item.detail.version or str(made.kernel.fact("release") or "")
                yield evolve(made, name=item.detail.id, rank=("", version, item.detail.id))


def _ukis(root: Item, kernels: Sequence[Item]) -> Iterator[Choice]:
    for uki in root.of_kind("uki"):
        kernel = next((each for each in uki.of_kind("kernel") if each in kernels), None)
        if kernel is None:
            continue
        release = next((each.detail for each in uki.children if isinstance(each.detail, dict)), {})
        name = uki.name.rpartition("/")[2]
        lines = [str(each.detail) for each in uki.of_kind("command-line") if isinstance(each.detail, str)]
        version = release.get("IMAGE_VERSION") or release.get("VERSION_ID") or release.get("BUILD_ID") or ""
        yield Choice(
            title=name,
            name=name.removesuffix(".efi"),
            kernel=kernel,
            initramfs=tuple(each for each in uki.children if each.kind == "initramfs" and each.files),
            arguments=next(iter(lines), None),
            devicetree=next((each for each in uki.children if each.name == ".dtb"), None),
            rank=(release.get("IMAGE_ID") or release.get("ID") or "", version, name),
        )


def _ordered(found: list[Choice], root: Item) -> list[Choice]:
    """As systemd-boot orders them, its default first."""
    found = sorted(found, key=_sorting)
    menus = [item.detail for item in root.of_kind("loader-config") if isinstance(item.detail, BootMenu)]
    pattern = next((menu.default for menu in menus if menu.default), None)
    if pattern is None or not found:
        return found
    if pattern == "@saved":
        unsure = "the default is the one chosen last, which is kept in an EFI variable"
        return [evolve(found[0], unsure=unsure), *found[1:]]
    fitting = [each for each in found if _fits(each, pattern)]
    return [*fitting, *(each for each in found if each not in fitting)]


def _fits(choice: Choice, pattern: str) -> bool:
    stem = pattern.lower().removesuffix(".conf").removesuffix(".efi")
    return fnmatch.fnmatchcase(choice.name.lower(), stem)


class _Falling(str):
    """A version or name that sorts before smaller ones."""

    __slots__ = ()

    def __lt__(self, other: str) -> bool:
        return _version_key(str(self)) > _version_key(str(other))


def _sorting(choice: Choice) -> tuple[object, ...]:
    """Entries with a sort key first; then the newest version, then the last name."""
    key, version, name = choice.rank if len(choice.rank) == 3 else ("", "", choice.name)
    return (not key, str(key), _Falling(str(version)), _Falling(str(name)))


def _version_key(text: str) -> list[tuple[int, int, str]]:
    """Numbers above words, as versions are compared (UAPI.10); `~` sorts below the end."""
    parts: list[tuple[int, int, str]] = []
    for part in _PARTS.findall(text):
        if part.isdecimal() and part.isascii() and len(part) < 4000:
            parts.append((2, int(part), ""))
        else:
            parts.append((-1 if part.startswith("~") else 1, 0, part))
    return [*parts, (0, 0, "")]


def _firmware(root: Item, kernels: Sequence[Item]) -> Iterator[Choice]:
    """A kernel that config.txt names: the firmware of the Raspberry Pi starts it itself."""
    for item in root.of_kind("config-txt"):
        if not isinstance(item.detail, ConfigTxt):
            continue
        for setting in item.detail.values("kernel")[::-1]:
            kernel = _named(kernels, f"/{setting.value}")
            if kernel is None:
                continue
            loose = [each for each in root.of_kind("initramfs") if each.files is not None]
            ramdisks = [each.value.split()[0] for each in item.detail.values("initramfs") if each.value]
            named = [_named(loose, f"/{path}") for path in ramdisks]
            lines = [
                str(each.detail) for each in root.of_kind("command-line") if isinstance(each.detail, str)
            ]
            yield Choice(
                title=f"config.txt: kernel={setting.value}",
                name=setting.value,
                kernel=kernel,
                initramfs=tuple(each for each in named if each is not None),
                arguments=next(iter(lines), None),
                unsure=f"kernel={setting.value} stands under {setting.condition}" if setting.filters else "",
            )
            return


def _named(items: Iterable[Item], path: str | None) -> Item | None:
    """The item of that path; a boot loader may put a device in front of it, as in `($root)/vmlinuz`."""
    if not path:
        return None
    wanted = path.rpartition(")")[2]
    wanted = f"/{wanted.lstrip('/')}"
    matching = [item for item in items if item.name == wanted or item.name.endswith(wanted)]
    return min(matching, key=lambda item: len(item.name), default=None)


def _beside(kernel: Item, loose: Sequence[Item]) -> list[Item]:
    """Which initramfs goes with a kernel that nothing names: that of its folder, or the only one."""
    folder = kernel.name.rpartition("/")[0]
    near = [each for each in loose if each.name.rpartition("/")[0] == folder]
    return near if len(near) == 1 else list(loose) if len(loose) == 1 else near[:1]
