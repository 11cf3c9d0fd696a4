"""What an image, a package or a URL holds for `check`: its kernel, modules, devicetrees, operating system.

The artifact is read by `inspect.explore`; what the predictor needs as files (the bare Image, the module
tree, the blobs) is put into the cache under names made of content.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from attrs import define, field

from bootwright.boards.model import Board, boards
from bootwright.bootchain.model import Chain
from bootwright.firmware.config_txt import ConfigTxt
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, lookup, walk
from bootwright.formats.kernel.arm64_image import KernelImage, unwrapped
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.modules.modprobe_config import ModprobeConfig, read_modprobe
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.compressed import Growth
from bootwright.foundation.cache import GIVEN_CONFIGS, GIVEN_IMAGES, GIVEN_MODULES, GIVEN_TREES
from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.booted import Boot, NothingStarts, boot_of
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import Item
from bootwright.inspect.files import FirmwareTree, ModuleTree
from bootwright.kernels.model import Kernel
from bootwright.predict.rules.predicates import FileSystemFacts
from bootwright.predict.start.root_device import Volume

_PIECE = 1 << 20
_TABLES = frozenset({"modules.builtin", "modules.builtin.modinfo"})
"""What the index of modules reads beside the modules themselves."""


@define
class Contents:
    """What was found."""

    kernel: Kernel | None = None
    dtbs: dict[str, Path] = field(factory=dict)
    devicetree: Path | None = None
    """The one that the boot loader hands over in place of the firmware's."""
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
    `inspect.booted.boot_of` raise.
    """
    item = Explorer(progress=progress, growth=growth).artifact(artifact)
    found = Contents()
    boot = _boot(item, entry, board)
    volume = _firmware(item, found)
    if found.config_txt is not None:
        named = found.config_txt.values("device_tree")
        blobs = {*blobs, *(one.value.rpartition("/")[2] for one in named)}
    trees = boot.devicetrees if boot is not None else item.of_kind("devicetree")
    for each in trees:
        name = PurePosixPath(each.name).name
        if each.source is not None and (name in blobs or each is item):
            path = _kept_tree(each.source, name)
            found.dtbs.setdefault(name, path)
            if id(each) in volume:
                found.placed_dtbs[each.name] = path
    found.filesystems = file_systems(item, boot)
    found.volumes = _volumes(item)
    found.firmware = _firmware_files(item)
    if boot is None:
        return found
    found.title = boot.title
    found.chain = boot.chain
    found.notes.extend(boot.missing)
    _note_choice(boot, found, artifact, asked=entry is not None)
    if boot.devicetree is not None and boot.devicetree.source is not None:
        name = PurePosixPath(boot.devicetree.name).name
        found.devicetree = _kept_tree(boot.devicetree.source, name)
        found.notes.append(f"{boot.title} hands over the devicetree {boot.devicetree.name}")
    found.kernel = _kernel(item, boot, found, artifact, progress)
    # `v1.13.0-alpha.1` and `v1.12.1-stand-in` have what their version has.
    identity, version = boot.os.get("ID"), Version.parse(boot.os.get("VERSION_ID", "").partition("-")[0])
    if identity and version is not None:
        found.os[identity] = version
    if boot.initramfs is not None:
        found.initramfs_modules = frozenset(
            name
            for each in boot.initramfs.of_kind("modules")
            if isinstance(each.detail, ModuleTree) and each in boot.module_trees
            for name in each.detail.names
        )
    found.arguments = boot.arguments
    found.initramfs = boot.initramfs is not None
    _modprobe(item, boot, found)
    return found


def _volumes(item: Item) -> tuple[Volume, ...] | None:
    """The partitions of a disk, with what the superblocks on them say."""
    if not item.of_kind("disk"):
        return None
    found: list[Volume] = []
    for each in item.of_kind("partition"):
        inside = next(iter(each.of_kind("filesystem")), None)
        number = each.fact("number")
        found.append(
            Volume(
                number=number if isinstance(number, int) else 0,
                partuuid=str(each.fact("uuid") or ""),
                partlabel=str(each.fact("label") or ""),
                uuid=str(inside.fact("uuid") or "") if inside is not None else "",
                label=str(inside.fact("label") or "") if inside is not None else "",
                type=str(inside.fact("type") or "") if inside is not None else "",
                where=f"{each.origin.where}:{each.name}",
            )
        )
    return tuple(found)


def _modprobe(item: Item, boot: Boot, found: Contents) -> None:
    """modprobe.d and the lists of modules, of the initramfs that is booted and of every root file system."""
    inside = {id(below) for below in boot.initramfs.walk()} if boot.initramfs is not None else set()
    others = [one for one in item.of_kind("initramfs") if one is not boot.initramfs]
    foreign = {id(below) for each in others for below in each.walk()}
    early: list[ModprobeConfig] = []
    root: list[ModprobeConfig] = []
    for each in item.of_kind("filesystem", "initramfs", "directory"):
        if each.files is None or id(each) in foreign:
            continue
        system = each is boot.initramfs or any(
            below.kind in {"os-release", "modules"} for below in each.children
        )
        if system:
            (early if id(each) in inside else root).append(read_modprobe(each.files))
    found.early_modprobe, found.root_modprobe = _joined(early), _joined(root)


def _joined(configs: Sequence[ModprobeConfig]) -> ModprobeConfig | None:
    if not configs:
        return None
    return ModprobeConfig(
        tuple(line for one in configs for line in one.directives),
        frozenset(name for one in configs for name in one.loads),
    )


def _boot(item: Item, entry: str | None, board: Board | None) -> Boot | None:
    try:
        return boot_of(item, entry, board)
    except NothingStarts:
        raise
    except Missing:
        return None  # devicetrees, overlays or an initramfs that go with another artifact's kernel


def _note_choice(boot: Boot, found: Contents, artifact: str, *, asked: bool) -> None:
    if boot.unsure:
        found.notes.append(f"which of its kernels {artifact} boots is not certain: {boot.unsure}")
    if boot.others or boot.other_titles:
        what = f"{boot.title!r} ({boot.kernel.name})" if boot.title else boot.kernel.name
        others = ", ".join(repr(each) for each in boot.other_titles if each)
        more = f"; --entry checks {others}" if others else ""
        why = "as asked for" if asked else f"which {artifact} boots by itself"
        found.notes.append(f"{what} is checked, {why}{more}")


def file_systems(item: Item, boot: Boot | None) -> tuple[FileSystemFacts, ...]:
    """What a kernel must be able to mount, of the artifact; not what belongs to another boot entry."""
    others = [] if boot is None else [one for one in item.of_kind("initramfs") if one is not boot.initramfs]
    foreign = {id(below) for each in others for below in each.walk()}
    found: list[FileSystemFacts] = []
    for each in item.of_kind("filesystem", "swap"):
        kind = each.fact("type")
        if id(each) in foreign or not isinstance(kind, str):
            continue
        sizes = {
            name: size
            for name in ("block_size", "sector_size", "page_size", "format_version")
            if isinstance(size := each.fact(name), int)
        }
        found.append(FileSystemFacts(kind, each.origin.where, sizes))
    return tuple(found)


def _firmware_files(item: Item) -> frozenset[str] | None:
    trees = [each.detail for each in item.of_kind("firmware") if isinstance(each.detail, FirmwareTree)]
    if not trees and not item.of_kind("os-release"):
        return None
    return frozenset(path for tree in trees for path, _ in tree.files)


def _firmware(item: Item, found: Contents) -> frozenset[int]:
    """config.txt, the overlays it names, and the map that names others for some boards.

    Returns the identities of the items on its partition.
    """
    holder = item
    for each in item.of_kind("config-txt"):
        if isinstance(each.detail, ConfigTxt) and found.config_txt is None:
            found.config_txt = each.detail
            volumes = [one for one in item.of_kind("filesystem") if each in one.children]
            holder = volumes[0] if volumes else item
    if found.config_txt is None:
        return frozenset()
    from bootwright.firmware.files import PREFIX_KEYS
    from bootwright.firmware.given_tree import overlay_name
    from bootwright.firmware.overlay_map import FILE as MAP

    if holder.files is not None and any(found.config_txt.values(key) for key in PREFIX_KEYS):
        entries = [one for one in walk(holder.files) if isinstance(one, Entry)]
        found.on_partition = frozenset(one.path for one in entries if one.kind is EntryKind.FILE)
    wanted = {name for name in map(overlay_name, found.config_txt.settings) if name}
    wanted |= {stepping.firmware_overlay for board in boards() for stepping in board.steppings}
    for each in holder.of_kind("devicetree"):
        if PurePosixPath(each.name).stem == MAP and each.source is not None:
            found.overlays[each.name] = _kept_tree(each.source, f"{MAP}.dtb")
            root = read_fdt(each.source).root
            nodes = [node for node in root.children if node.name in wanted]
            values = [node.string(key) or "" for node in nodes for key in node.properties]
            wanted.update(value.partition(",")[0] for value in values)
    for each in holder.of_kind("overlay"):
        name = PurePosixPath(each.name).stem
        if each.source is not None and name in wanted:
            found.overlays.setdefault(each.name, _kept_tree(each.source, f"{name}.dtbo"))
    return frozenset(map(id, holder.walk()))


def _of_others(item: Item, boot: Boot) -> tuple[Item, ...]:
    """Module trees of another release, which the kernel passes by: the first such release only."""
    foreign = {
        id(below) for each in item.of_kind("initramfs") if each is not boot.initramfs for below in each.walk()
    }
    trees = [
        each
        for each in item.of_kind("modules")
        if id(each) not in foreign and isinstance(each.detail, ModuleTree) and each.detail.files
    ]
    return tuple(each for each in trees if _tree(each).release == _tree(trees[0]).release)


def _tree(item: Item) -> ModuleTree:
    assert isinstance(item.detail, ModuleTree)  # noqa: S101 - chosen so
    return item.detail


def _kernel(item: Item, boot: Boot, found: Contents, artifact: str, progress: Progress) -> Kernel:
    assert boot.kernel.source is not None  # noqa: S101 - what was read as a kernel has bytes
    release = str(boot.kernel.fact("release") or "unknown")
    image, digest = _bare(boot.kernel.source)
    trees = boot.module_trees or _of_others(item, boot)
    if not boot.module_trees:
        others = ", ".join(dict.fromkeys(tree.release for each in trees for tree in (_tree(each),)))
        found.notes.append(
            f"{artifact} holds no modules of {release}" + (f", but those of {others}" if others else "")
        )
    return Kernel(
        name=PurePosixPath(artifact).name,
        version=_version(boot.kernel.detail, release),
        release=release,
        page_size=getattr(boot.kernel.detail, "page_size", None) or 0,
        image=image,
        image_sha256=digest,
        config=_config(boot, digest),
        modules=_modules(trees, digest, progress) if trees else None,
        dtbs=None,
        provenance={"file": artifact, "path": boot.kernel.name},
    )


def _version(detail: object, release: str) -> Version:
    text = detail.version if isinstance(detail, KernelImage) else None
    return Version.parse(text or "") or Version(release, ((0,), 0))


def _bare(source: ByteSource) -> tuple[Path, str]:
    image = unwrapped(source)[0]
    data = image.read(0, len(image))
    digest = hashlib.sha256(data).hexdigest()
    return GIVEN_IMAGES.kept(digest, lambda: data), digest


def _kept_tree(source: ByteSource, name: str) -> Path:
    """The devicetree or overlay as a file of that name in a folder named by its content."""
    data = source.read(0, len(source))
    return GIVEN_TREES.kept(f"{hashlib.sha256(data).hexdigest()[:32]}/{name}", lambda: data)


def _config(boot: Boot, digest: str) -> Path | None:
    config = boot.config.detail if boot.config is not None else None
    if not isinstance(config, KernelConfig):
        return None
    lines = [f"{name}={value}" for name, value in config.options.items()]
    lines += [f"# {name} is not set" for name in sorted(config.unset)]
    text = "\n".join(lines) + "\n"
    key = hashlib.sha256(f"{digest}\n{text}".encode()).hexdigest()
    return GIVEN_CONFIGS.kept(key, text.encode)


def _modules(trees: Sequence[Item], digest: str, progress: Progress) -> Path:
    """The files of all trees together, taken out once: a kernel and its modules are built together.

    The same module may be in the initramfs and in the root file system: the first one counts.
    """
    chosen: dict[str, tuple[FileSystem, Entry]] = {}
    tables: dict[str, ByteSource] = {}
    for item in trees:
        tree, files = item.detail, item.files
        if not isinstance(tree, ModuleTree) or files is None:
            continue
        for name, entry in tree.names.items():
            chosen.setdefault(name, (files, entry))
        for name in tree.tables:
            table = lookup(files, f"{tree.path}/{name}") if name in _TABLES else None
            if table is not None:
                tables.setdefault(name, files.open(table))
    lines = [f"{files.name}:{entry.path} {entry.size}" for files, entry in chosen.values()]
    lines += [f"{name} {len(source)}" for name, source in tables.items()]
    release = _folder_name(_tree(trees[0]).release)
    listing = "\n".join([release, *sorted(lines)])
    key = hashlib.sha256(f"{digest}\n{listing}".encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def fill(work: Path) -> None:
        (work / release).mkdir()
        with progress.step(f"take out {len(chosen)} modules"):
            for number, (files, entry) in enumerate(chosen.values()):
                # A flat folder with a number: names from an image are no paths of this machine.
                name = PurePosixPath(entry.path).name
                _write(files.open(entry), work / release / f"{number // 500}" / name)
            for name, source in tables.items():
                _write(source, work / release / name)

    return GIVEN_MODULES.kept_folder(key, fill) / release


def _folder_name(release: str) -> str:
    """A release as a folder's name on this machine: it comes from an image."""
    return release if re.fullmatch(r"[\w][\w.+~-]{0,100}", release) else "modules"


def _write(source: ByteSource, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        for at in range(0, len(source), _PIECE):
            file.write(source.read(at, min(_PIECE, len(source) - at)))
        os.fchmod(file.fileno(), 0o644)
