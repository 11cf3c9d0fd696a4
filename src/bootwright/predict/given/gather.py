"""Sorts the artifacts given to `check`: kernel, devicetrees, images, initramfs, config.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from bootwright.boards.architecture import require_arm64
from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.predict.given.blobs import Blob, Origin, not_a_file
from bootwright.predict.given.gathered import Gathered, NoDevicetree, NoKernel
from bootwright.predict.given.inputs import kernel_at, with_parts

if TYPE_CHECKING:
    from bootwright.boards.model import Board
    from bootwright.bootchain.model import Chain
    from bootwright.firmware.config_txt import ConfigTxt
    from bootwright.formats.kernel.config import KernelConfig
    from bootwright.formats.modules.modprobe_config import ModprobeConfig
    from bootwright.formats.programs.eeprom import Eeprom
    from bootwright.formats.programs.u_boot import UBoot
    from bootwright.formats.sources.compressed import Growth
    from bootwright.predict.rules.predicates import FileSystemFacts
    from bootwright.predict.start.root_device import Volume


_DEVICETREES = frozenset({".dtb", ".dtbo"})
"""Endings of files that are nothing else: an empty or damaged one is said to be that."""
_ORDER = (Origin.GIVEN, Origin.FOLDER, Origin.IMAGE, Origin.KERNEL)
"""Of devicetrees with one name, whose counts: what the user named goes before what an image holds."""


@define
class _Collection:
    """Artifacts by what they are, while they are being sorted."""

    entry: str | None
    """The boot entry of an image that was asked for."""
    growth: Growth | None
    """May have begun to expand the first artifact."""
    from_image: bool = False
    """Whether any of it comes from an image, which should have a kernel of its own."""
    looked_into: bool = False
    """Whether an image with a kernel, and so with boot entries, is among the artifacts."""
    kernel: Kernel | None = None
    blobs: list[Blob] = field(factory=list)
    initramfs: Path | None = None
    inside: frozenset[str] | None = None
    """Modules of an initramfs inside an image."""
    os: dict[str, Version] = field(factory=dict)
    config_txt: ConfigTxt | None = None
    boot_partition: bool = False
    overlay_files: dict[str, Path] = field(factory=dict)
    placed_dtbs: dict[str, Blob] = field(factory=dict)
    on_partition: frozenset[str] = frozenset()
    devicetree: Blob | None = None
    devicetree_choices: tuple[Blob, ...] = ()
    handed_over_by: str = ""
    filesystems: tuple[FileSystemFacts, ...] | None = None
    arguments: str | None = None
    cmdline: str | None = None
    early_modprobe: ModprobeConfig | None = None
    root_modprobe: ModprobeConfig | None = None
    volumes: tuple[Volume, ...] | None = None
    has_initramfs: bool | None = None
    before_init: frozenset[str] = frozenset()
    u_boot: UBoot | None = None
    eeprom: Eeprom | None = None
    partition_table: str = ""
    firmware: frozenset[str] | None = None
    board: Board | None = None
    """Decides what an image boots where that depends on the board."""
    chain: Chain | None = None
    notes: list[str] = field(factory=list)

    def add(self, name: str, path: Path, origin: Origin) -> None:
        """Another devicetree."""
        self.blobs.append(Blob(name, path, origin))

    def result(self, config: tuple[Path, KernelConfig] | None) -> Gathered:
        """What was gathered, which does not change any more."""
        modules, early, before_init = self.inside, self.early_modprobe, self.before_init
        if self.initramfs is not None:
            from bootwright.predict.given.initramfs import early_modules

            in_initramfs = early_modules(self.initramfs)
            early, before_init = in_initramfs.modprobe, in_initramfs.before_init
            release = self.kernel.release if self.kernel is not None else None
            modules = in_initramfs.of(release)
            self.notes += [
                f"{self.initramfs} holds modules of {other_release}, "
                f"which the kernel {release} does not look for"
                for other_release in in_initramfs.others(release)
            ]
        return Gathered(
            kernel=self.kernel,
            blobs=tuple(sorted(self.blobs, key=lambda blob: _ORDER.index(blob.origin))),
            initramfs_modules=modules,
            os=self.os,
            config=config,
            config_txt=self.config_txt,
            boot_partition=self.boot_partition,
            overlay_files=self.overlay_files,
            placed_dtbs=self.placed_dtbs,
            on_partition=self.on_partition,
            chain=self.chain,
            read_for=self.board,
            devicetree=self.devicetree,
            devicetree_choices=self.devicetree_choices,
            handed_over_by=self.handed_over_by,
            filesystems=self.filesystems,
            arguments=self.arguments,
            cmdline=self.cmdline,
            early_modprobe=early,
            root_modprobe=self.root_modprobe,
            volumes=self.volumes,
            has_initramfs=True if self.initramfs is not None else self.has_initramfs,
            before_init=before_init,
            u_boot=self.u_boot,
            eeprom=self.eeprom,
            partition_table=self.partition_table,
            firmware=self.firmware,
            notes=tuple(dict.fromkeys(self.notes)),
        )


def gather(
    artifacts: Sequence[str],
    progress: Progress,
    *,
    modules: Path | None = None,
    config: Path | None = None,
    entry: str | None = None,
    cmdline: str | None = None,
    board: Board | None = None,
    growth: Growth | None = None,
    need_devicetrees: bool = True,
) -> Gathered:
    """Sort artifacts by their content; the kernel's own devicetrees count where no others are given.

    `entry` is the boot entry of an image that counts, where not the default; `cmdline` is the kernel's
    command line in place of the boot entry's; `board` decides where it depends on the board what boots;
    `growth` may have begun to expand the first artifact. Raises `Refused` for two kernels, `Missing` where no
    kernel is among them, and with `need_devicetrees` where there is no devicetree.
    """
    collection = _Collection(entry, growth, cmdline=cmdline, board=board)
    for artifact in artifacts:
        path = Path(artifact)
        if is_address(artifact):
            _image(collection, artifact, progress)
        elif path.is_file():
            _file(collection, path, progress, modules, config)
        elif path.is_dir() and _boots(path):
            _image(collection, artifact, progress)
        elif path.is_dir() and not _holds_kernel(path, progress):
            if not _folder(collection, path):
                raise Missing(
                    f"{path} holds neither a kernel nor devicetrees", hint="give a folder that does"
                )
        elif path.suffix in _DEVICETREES:
            raise not_a_file(path)
        else:
            _kernel(collection, artifact, progress, modules, config)
    if entry is not None and not collection.looked_into:
        raise Refused(f"none of the artifacts has a boot entry {entry!r}", hint="--entry is for an image")
    if collection.kernel is not None:
        collection.kernel = with_parts(collection.kernel, modules=modules, config=config)
    given_config = None
    if config is not None:
        from bootwright.kernels.configuration.given import read_config

        given_config = config, read_config(config, collection.kernel)
    if collection.kernel is None and given_config is None:
        raise NoKernel(alone=bool(collection.blobs) and not collection.from_image)
    if not collection.blobs and collection.kernel is not None and collection.kernel.dtbs is not None:
        for name, path in blobs_in(collection.kernel.dtbs):
            collection.add(name, path, Origin.KERNEL)
    handed_over = collection.devicetree or collection.devicetree_choices
    if need_devicetrees and not collection.blobs and not handed_over:
        name = collection.kernel.name if collection.kernel is not None else "a configuration"
        raise NoDevicetree(f"{name} comes without devicetrees", hint="add a .dtb or a folder with some")
    return collection.result(given_config)


def gather_devicetrees(folder: Path) -> Gathered:
    """The devicetrees, overlays and config.txt of a folder, whatever else is in it: a board gets of them what
    its firmware would pick there. Raises `Missing` where there is no devicetree.
    """
    collection = _Collection(None, None)
    if not folder.is_dir() or not _folder(collection, folder):
        raise Missing(f"{folder} holds no devicetrees", hint="give a folder with .dtb files")
    return collection.result(None)


def blobs_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """(file name, path) of every DTB below a folder, in the order of their paths: a package has 1,300."""
    places = [(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".dtb")]
    for place, name in sorted(places):
        yield name, Path(place, name)


def _kernel(
    collection: _Collection, spec: str, progress: Progress, modules: Path | None, config: Path | None
) -> None:
    if collection.kernel is not None:
        raise Refused(
            f"two kernels: {collection.kernel.name} and {spec}", hint="check them one by one, or use --matrix"
        )
    collection.kernel = kernel_at(spec, progress, modules=modules, config=config)


def _holds_kernel(path: Path, progress: Progress) -> bool:
    try:
        kernel_at(str(path), progress)
    except BootwrightError:
        return False
    return True


def _file(
    collection: _Collection, path: Path, progress: Progress, modules: Path | None, config: Path | None
) -> None:
    from bootwright.inspect.detect import detect

    source = FileBytes(path)
    kind = detect(source)
    if kind == "compressed":
        kind = _inside(source)
    if kind == "devicetree" or path.suffix in _DEVICETREES:
        tree = read_fdt_file(path)
        require_arm64(tree)
        if tree.is_overlay:
            collection.overlay_files[path.stem] = path
        else:
            collection.add(path.name, path, Origin.GIVEN)
    elif kind is None and path.name.lower() == "config.txt":
        collection.config_txt = _config_txt(path)
    elif kind == "eeprom":
        from bootwright.formats.programs.eeprom import read_eeprom

        collection.eeprom = read_eeprom(source).joined(collection.eeprom)
    elif kind == "u-boot":
        from bootwright.formats.programs.u_boot import read_u_boot

        collection.u_boot = read_u_boot(source)
    elif kind is None and (eeprom := _told(source)) is not None:
        collection.eeprom = eeprom.joined(collection.eeprom)
    elif kind in _HOLD_OTHERS:
        _image(collection, str(path), progress)
    elif kind == "initramfs":
        collection.initramfs = path
    else:
        _kernel(collection, str(path), progress, modules, config)


def _told(source: FileBytes) -> Eeprom | None:
    """What a running board said of its EEPROM, in a small text file."""
    from bootwright.formats.programs.eeprom import read_told

    if source.size > _MOST_TOLD:
        return None
    return read_told(source.read(0, source.size).decode("utf-8", "replace"))


def _folder(collection: _Collection, path: Path) -> bool:
    """Add what a folder holds: with config.txt what firmware reads. Whether a devicetree is among it."""
    firmware = (path / "config.txt").is_file()
    if firmware:
        collection.config_txt = _config_txt(path / "config.txt")
        collection.boot_partition = True
        collection.on_partition = frozenset(_place(path, file) for file in path.rglob("*") if file.is_file())
    held = False
    for blob in sorted(path.rglob("*.dtb")):
        if blob.stem == "overlay_map":
            collection.overlay_files.setdefault(_place(path, blob) if firmware else blob.stem, blob)
            continue
        held = True
        collection.add(blob.name, blob, Origin.FOLDER)
        if firmware:
            collection.placed_dtbs.setdefault(_place(path, blob), Blob(blob.name, blob, Origin.FOLDER))
    for blob in sorted(path.rglob("*.dtbo")):
        collection.overlay_files.setdefault(_place(path, blob) if firmware else blob.stem, blob)
    return held


def _place(folder: Path, file: Path) -> str:
    return f"/{file.relative_to(folder).as_posix()}"


def _config_txt(path: Path) -> ConfigTxt:
    from bootwright.firmware.config_txt import read_config_txt

    def load(name: str) -> bytes | None:
        # Included files lie beside it; a path that leads elsewhere is not followed.
        place = (path.parent / name).resolve()
        inside = place.is_relative_to(path.parent.resolve())
        return place.read_bytes() if inside and place.is_file() else None

    return read_config_txt(path.read_bytes(), str(path), load=load)


def _boots(folder: Path) -> bool:
    """Whether a folder has in it what boots an image, or a partition: that then says which kernel."""
    from bootwright.bootchain.chains import chains
    from bootwright.bootchain.volumes import PlainVolume
    from bootwright.formats.filesystems.directory import Directory

    try:
        boot_chains = chains((PlainVolume(Directory(folder)),))
    except BootwrightError:
        return True  # what is wrong with its configuration is reported where it is read
    return any(
        chain.kernel.exists if chain.kernel is not None else bool(chain.unknown) for chain in boot_chains
    )


_MOST_TOLD = 1 << 16
_PEEK = 1 << 17
"""Bytes; the last magic that is looked for is at 64 KiB."""
_HOLD_OTHERS = frozenset({"disk", "vfat", "xfs", "ext", "squashfs", "superblock", "uki", "tar"})


def _image(collection: _Collection, artifact: str, progress: Progress) -> None:
    from bootwright.boards.model import boards
    from bootwright.predict.given.image import contents

    collection.from_image = True
    names = {stepping.dtb for board in boards() for stepping in board.steppings}
    growth, collection.growth = collection.growth, None
    inside = contents(
        artifact, progress, blobs=names, entry=collection.entry, board=collection.board, growth=growth
    )
    if inside.kernel is not None:
        collection.looked_into = True
        if collection.kernel is not None:
            raise Refused(
                f"two kernels: {collection.kernel.name} and {inside.kernel.name}",
                hint="check them one by one",
            )
        collection.kernel = inside.kernel
    for name, path in inside.dtbs.items():
        collection.add(name, path, Origin.IMAGE)
    collection.os.update(inside.os)
    if inside.devicetree is not None:
        collection.devicetree = Blob(inside.devicetree.name, inside.devicetree, Origin.IMAGE)
        collection.handed_over_by = inside.title
    choices = inside.devicetree_choices
    collection.devicetree_choices += tuple(Blob(path.name, path, Origin.IMAGE) for path in choices)
    collection.handed_over_by = inside.title if choices else collection.handed_over_by
    collection.filesystems = (*(collection.filesystems or ()), *inside.filesystems)
    collection.arguments = inside.arguments if inside.arguments is not None else collection.arguments
    collection.early_modprobe = inside.early_modprobe or collection.early_modprobe
    collection.root_modprobe = inside.root_modprobe or collection.root_modprobe
    collection.volumes = inside.volumes if inside.volumes is not None else collection.volumes
    collection.has_initramfs = inside.initramfs if inside.initramfs is not None else collection.has_initramfs
    collection.before_init |= inside.before_init
    collection.u_boot = inside.u_boot or collection.u_boot
    # What the board itself says goes before a file of an image.
    collection.eeprom = collection.eeprom or inside.eeprom
    collection.partition_table = inside.partition_table or collection.partition_table
    collection.chain = inside.chain or collection.chain
    collection.firmware = (
        inside.firmware if collection.firmware is None else collection.firmware | (inside.firmware or set())
    )
    collection.config_txt = collection.config_txt or inside.config_txt
    collection.boot_partition |= inside.config_txt is not None
    collection.overlay_files |= inside.overlays
    for place, path in inside.placed_dtbs.items():
        collection.placed_dtbs[place] = Blob(path.name, path, Origin.IMAGE)
    collection.on_partition |= inside.on_partition | set(inside.placed_dtbs)
    collection.notes.extend(inside.notes)
    if inside.initramfs_modules is not None:
        collection.inside = inside.initramfs_modules


def _inside(source: FileBytes) -> str | None:
    """What a compressed file holds, by its first bytes."""
    from bootwright.formats.sources.bytesource import Bytes
    from bootwright.formats.sources.compressed import Expansion
    from bootwright.formats.sources.streams import compression_of
    from bootwright.inspect.detect import detect

    first = b""
    for chunk in Expansion(source, compression_of(source) or "", limit=1 << 40):
        first += chunk
        if len(first) >= _PEEK:
            break
    return detect(Bytes(first[:_PEEK], source.name))
