"""What the file systems of an image say: partitions, modprobe.d, firmware, config.txt with its overlays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from attrs import frozen

from bootwright.boards.model import boards
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, walk
from bootwright.formats.modules.modprobe_config import ModprobeConfig, read_modprobe
from bootwright.formats.programs.eeprom import Eeprom
from bootwright.formats.programs.u_boot import UBoot
from bootwright.inspect.booted import Boot
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.files import FirmwareTree
from bootwright.predict.given.image_kernel import cached_tree
from bootwright.predict.rules.predicates import FileSystemFacts
from bootwright.predict.start.root_device import Volume


def volumes_of(item: Item) -> tuple[Volume, ...] | None:
    """The partitions of a disk, with what the superblocks on them say."""
    if not item.of_kind(ItemKind.DISK):
        return None
    volumes: list[Volume] = []
    for child in item.of_kind(ItemKind.PARTITION):
        inside = next(iter(child.of_kind(ItemKind.FILESYSTEM)), None)
        number = child.fact("number")
        volumes.append(
            Volume(
                number=number if isinstance(number, int) else 0,
                partuuid=str(child.fact("uuid") or ""),
                partlabel=str(child.fact("label") or ""),
                uuid=str(inside.fact("uuid") or "") if inside is not None else "",
                label=str(inside.fact("label") or "") if inside is not None else "",
                type=str(inside.fact("type") or "") if inside is not None else "",
                where=f"{child.origin.where}:{child.name}",
            )
        )
    return tuple(volumes)


def partition_table(item: Item) -> str:
    """`gpt` or `dos` of a disk; empty for anything else."""
    for child in item.of_kind(ItemKind.DISK):
        scheme = str(child.fact("partition_table") or "").lower()
        return "dos" if scheme in {"mbr", "dos"} else "gpt" if "gpt" in scheme else ""
    return ""


def eeprom_of(item: Item) -> Eeprom | None:
    """The image of an EEPROM among the files, such as an update that lies on a boot partition."""
    details = (child.detail for child in item.of_kind(ItemKind.EEPROM))
    return next((detail for detail in details if isinstance(detail, Eeprom)), None)


def u_boot_of(item: Item, boot: Boot | None) -> UBoot | None:
    """The U-Boot that a stage before the kernel names; without such a stage, the only one there is."""
    items = [child for child in item.of_kind(ItemKind.U_BOOT) if isinstance(child.detail, UBoot)]
    stages = boot.chain.stages if boot is not None and boot.chain is not None else ()
    places = {
        PurePosixPath(stage.place.rpartition(":")[2]).name for stage in stages if stage.name == "U-Boot"
    }
    named = [child for child in items if PurePosixPath(child.name).name in places]
    chosen = named or (items if len(items) == 1 else [])
    return chosen[0].detail if chosen and isinstance(chosen[0].detail, UBoot) else None


def modprobe_configs(item: Item, boot: Boot) -> tuple[ModprobeConfig | None, ModprobeConfig | None]:
    """modprobe.d and the lists of modules to load: of the initramfs that is booted, and of root file systems.

    A root file system inside the initramfs counts as part of it.
    """
    inside = {id(below) for below in boot.initramfs.walk()} if boot.initramfs is not None else set()
    other_initramfs = [
        candidate for candidate in item.of_kind(ItemKind.INITRAMFS) if candidate is not boot.initramfs
    ]
    foreign = {id(below) for child in other_initramfs for below in child.walk()}
    early: list[ModprobeConfig] = []
    root: list[ModprobeConfig] = []
    for child in item.of_kind(ItemKind.FILESYSTEM, ItemKind.INITRAMFS):
        if child.files is None or id(child) in foreign:
            continue
        system = child is boot.initramfs or any(
            below.kind in {ItemKind.OS_RELEASE, ItemKind.MODULES} for below in child.children
        )
        if system:
            (early if id(child) in inside else root).append(read_modprobe(child.files))
    return _joined(early), _joined(root)


def _joined(configs: Sequence[ModprobeConfig]) -> ModprobeConfig | None:
    if not configs:
        return None
    return ModprobeConfig(
        tuple(line for config in configs for line in config.directives),
        frozenset(name for config in configs for name in config.loads),
    )


def file_systems(item: Item, boot: Boot | None) -> tuple[FileSystemFacts, ...]:
    """What a kernel must be able to mount, of the artifact; not what belongs to another boot entry."""
    other_initramfs = (
        []
        if boot is None
        else [candidate for candidate in item.of_kind(ItemKind.INITRAMFS) if candidate is not boot.initramfs]
    )
    foreign = {id(below) for child in other_initramfs for below in child.walk()}
    facts: list[FileSystemFacts] = []
    for child in item.of_kind(ItemKind.FILESYSTEM, ItemKind.SWAP):
        kind = child.fact("type")
        if id(child) in foreign or not isinstance(kind, str):
            continue
        sizes = {
            name: size
            for name in ("block_size", "sector_size", "page_size", "format_version")
            if isinstance(size := child.fact(name), int)
        }
        facts.append(FileSystemFacts(kind, child.origin.where, sizes))
    return tuple(facts)


def driver_firmware(item: Item) -> frozenset[str] | None:
    """Paths below `/lib/firmware`; None where there is no root file system to look in."""
    trees = [
        child.detail for child in item.of_kind(ItemKind.FIRMWARE) if isinstance(child.detail, FirmwareTree)
    ]
    if not trees and not item.of_kind(ItemKind.OS_RELEASE):
        return None
    return frozenset(path for tree in trees for path, _ in tree.files)


@frozen
class FirmwarePartition:
    """config.txt and what it names on its partition."""

    config_txt: ConfigTxt
    overlays: dict[str, Path]
    """Overlays that config.txt names, and the map that names others for some boards, by path."""
    on_partition: frozenset[str]
    """Every path there, where config.txt puts a prefix before its names; else empty."""
    items: frozenset[int]
    """Identities (`id`) of the items on it."""


def firmware_partition(item: Item) -> FirmwarePartition | None:
    """The partition whose config.txt the firmware reads; None where there is no config.txt."""
    config_txt: ConfigTxt | None = None
    holder = item
    for child in item.of_kind(ItemKind.CONFIG_TXT):
        if isinstance(child.detail, ConfigTxt) and config_txt is None:
            config_txt = child.detail
            volumes = [
                candidate for candidate in item.of_kind(ItemKind.FILESYSTEM) if child in candidate.children
            ]
            holder = volumes[0] if volumes else item
    if config_txt is None:
        return None
    from bootwright.firmware.files import PREFIX_KEYS
    from bootwright.firmware.given_tree import overlay_name
    from bootwright.firmware.overlay_map import FILE as MAP

    on_partition: frozenset[str] = frozenset()
    if holder.files is not None and any(config_txt.values(key) for key in PREFIX_KEYS):
        entries = [entry for entry in walk(holder.files) if isinstance(entry, Entry)]
        on_partition = frozenset(file.path for file in entries if file.kind is EntryKind.FILE)
    overlays: dict[str, Path] = {}
    wanted = {name for name in map(overlay_name, config_txt.settings) if name}
    wanted |= {stepping.firmware_overlay for board in boards() for stepping in board.steppings}
    for child in holder.of_kind(ItemKind.DEVICETREE):
        if PurePosixPath(child.name).stem == MAP and child.source is not None:
            overlays[child.name] = cached_tree(child.source, f"{MAP}.dtb")
            root = read_fdt(child.source).root
            nodes = [node for node in root.children if node.name in wanted]
            values = [node.string(key) or "" for node in nodes for key in node.properties]
            wanted.update(value.partition(",")[0] for value in values)
    for child in holder.of_kind(ItemKind.OVERLAY):
        name = PurePosixPath(child.name).stem
        if child.source is not None and name in wanted:
            overlays.setdefault(child.name, cached_tree(child.source, f"{name}.dtbo"))
    return FirmwarePartition(config_txt, overlays, on_partition, frozenset(map(id, holder.walk())))
