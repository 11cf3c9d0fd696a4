"""What an image, a package or a URL holds for `check`: its kernel, modules, devicetrees, operating system.

The artifact is read by `inspect.explore`; what the predictor needs as files (the bare Image, the module
tree, the blobs) is put into the cache under names made of content.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path, PurePosixPath

from attrs import define, evolve, field

from bootwright.boards.model import Board
from bootwright.bootchain.model import Chain
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.formats.modules.early_loader import loaded_before_init
from bootwright.formats.modules.modprobe_config import ModprobeConfig
from bootwright.formats.programs.eeprom import Eeprom
from bootwright.formats.programs.u_boot import UBoot
from bootwright.formats.sources.compressed import Growth
from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.booted import Boot, NothingStarts, boot_of
from bootwright.inspect.explore import Explorer
from bootwright.inspect.explored import require_whole
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.files import ModuleTree
from bootwright.kernels.model import Kernel
from bootwright.predict.given.image_facts import (
    driver_firmware,
    eeprom_of,
    file_systems,
    firmware_partition,
    modprobe_configs,
    partition_table,
    u_boot_of,
    volumes_of,
)
from bootwright.predict.given.image_kernel import cached_tree, kernel_of
from bootwright.predict.given.other_machine import refuse_other_machine
from bootwright.predict.rules.predicates import FileSystemFacts
from bootwright.predict.start.root_device import Volume


@define
class Contents:
    """What an artifact holds, as far as a prediction asks for it."""

    kernel: Kernel | None = None
    dtbs: dict[str, Path] = field(factory=dict)
    devicetree: Path | None = None
    """The one that the boot loader hands over in place of the firmware's."""
    devicetree_choices: tuple[Path, ...] = ()
    """Of a UKI: the first whose first compatible is the board's goes before that."""
    title: str = ""
    """What the boot loader calls the entry that is checked."""
    os: dict[str, Version] = field(factory=dict)
    initramfs_modules: frozenset[str] | None = None
    """Modules in the initramfs that is booted, and in root file systems inside it."""
    filesystems: tuple[FileSystemFacts, ...] = ()
    arguments: str | None = None
    """The kernel's, by the boot entry."""
    firmware: frozenset[str] | None = None
    """Paths below `/lib/firmware`; None where there is no root file system to look in."""
    config_txt: ConfigTxt | None = None
    overlays: dict[str, Path] = field(factory=dict)
    """Overlays that config.txt names, and the map of them, by path on the partition of config.txt."""
    placed_dtbs: dict[str, Path] = field(factory=dict)
    """Devicetrees beside config.txt, by path on its partition."""
    on_partition: frozenset[str] = frozenset()
    """Every path on that partition, where config.txt puts a prefix before its names."""
    chain: Chain | None = None
    """How its kernel is started; None where no boot loader's configuration names it."""
    early_modprobe: ModprobeConfig | None = None
    """What the initramfs that is booted, and root file systems inside it, say to modprobe."""
    root_modprobe: ModprobeConfig | None = None
    """What the other root file systems say to modprobe."""
    volumes: tuple[Volume, ...] | None = None
    """The partitions; None where the artifact is no disk."""
    before_init: frozenset[str] = frozenset()
    """Modules that our loader in the initramfs loads before the system's own init runs."""
    u_boot: UBoot | None = None
    """The U-Boot that the firmware starts; None where there is none, or it cannot be read."""
    eeprom: Eeprom | None = None
    partition_table: str = ""
    """`gpt` or `dos`; empty for what is no disk."""
    initramfs: bool | None = None
    """Whether there is one; None where there is no kernel either."""
    notes: list[str] = field(factory=list)


def contents(
    artifact: str,
    progress: Progress,
    *,
    blobs: Collection[str],
    entry: str | None = None,
    board: Board | None = None,
    growth: Growth | None = None,
) -> Contents:
    """Look into an artifact; of devicetrees, only those whose file name is in `blobs` are taken out.

    `entry` names the boot entry that counts, where not the default; `board` decides where it depends on the
    board what boots; `growth` may have begun to expand the artifact. Raises what the explorer and
    `inspect.booted.boot_of` raise, and `Malformed` for a disk image that ends before a partition does.
    """
    item = Explorer(progress=progress, growth=growth).artifact(artifact)
    require_whole(item)
    refuse_other_machine(item)
    result = Contents()
    boot = _boot(item, entry, board)
    firmware = firmware_partition(item)
    if firmware is not None:
        result.config_txt = firmware.config_txt
        result.overlays = firmware.overlays
        result.on_partition = firmware.on_partition
        named = result.config_txt.values("device_tree")
        blobs = {*blobs, *(setting.value.rpartition("/")[2] for setting in named)}
    trees = boot.devicetrees if boot is not None else item.of_kind(ItemKind.DEVICETREE)
    for child in trees:
        name = PurePosixPath(child.name).name
        if child.source is not None and (name in blobs or child is item):
            path = cached_tree(child.source, name)
            result.dtbs.setdefault(name, path)
            if firmware is not None and id(child) in firmware.items:
                result.placed_dtbs[child.name] = path
    result.filesystems = file_systems(item, boot)
    result.volumes = volumes_of(item)
    result.partition_table = partition_table(item)
    result.eeprom = eeprom_of(item)
    result.u_boot = u_boot_of(item, boot)
    result.firmware = driver_firmware(item)
    if boot is None:
        return result
    result.title = boot.title
    result.chain = boot.chain
    result.notes.extend(boot.missing)
    _note_choice(boot, result, artifact, as_asked=entry is not None)
    if boot.devicetree is not None and boot.devicetree.source is not None:
        name = PurePosixPath(boot.devicetree.name).name
        result.devicetree = cached_tree(boot.devicetree.source, name)
        result.notes.append(f"{boot.title} hands over the devicetree {boot.devicetree.name}")
    result.devicetree_choices = tuple(
        cached_tree(choice.source, PurePosixPath(choice.name).name)
        for choice in boot.devicetree_choices
        if choice.source is not None
    )
    result.kernel, notes = kernel_of(item, boot, artifact, progress)
    result.notes.extend(notes)
    # `v1.13.0-alpha.1` and `v1.12.1-stand-in` have what their version has.
    identity, version = boot.os.get("ID"), _version(boot.os.get("VERSION_ID", ""))
    if identity and version is not None:
        result.os[identity] = version
    if boot.initramfs is not None:
        result.initramfs_modules = frozenset(
            name
            for child in boot.initramfs.of_kind(ItemKind.MODULES)
            if isinstance(child.detail, ModuleTree) and child in boot.module_trees
            for name in child.detail.names
        )
        if boot.initramfs.files is not None:
            result.before_init = loaded_before_init(boot.initramfs.files)
    result.arguments = boot.arguments
    result.initramfs = boot.initramfs is not None
    result.early_modprobe, result.root_modprobe = modprobe_configs(item, boot)
    return result


def _version(text: str) -> Version | None:
    """The version in a VERSION_ID (os-release(5)): Debian's is a lone number, Talos's may have an ending."""
    number = text.partition("-")[0]
    if number.isascii() and number.isdigit():
        whole = Version.parse(f"{number}.0")
        return evolve(whole, text=number) if whole is not None else None
    return Version.parse(number)


def _boot(item: Item, entry: str | None, board: Board | None) -> Boot | None:
    try:
        return boot_of(item, entry, board)
    except NothingStarts:
        raise
    except Missing:
        return None  # devicetrees, overlays or an initramfs that go with another artifact's kernel


def _note_choice(boot: Boot, result: Contents, artifact: str, *, as_asked: bool) -> None:
    if boot.unsure:
        result.notes.append(f"which of its kernels {artifact} boots is not certain: {boot.unsure}")
    if boot.others or boot.other_titles:
        chosen = f"{boot.title!r} ({boot.kernel.name})" if boot.title else boot.kernel.name
        other_titles = ", ".join(repr(title) for title in boot.other_titles if title)
        more = f"; --entry checks {other_titles}" if other_titles else ""
        why = "as asked for" if as_asked else f"which {artifact} boots by itself"
        result.notes.append(f"{chosen} is checked, {why}{more}")
