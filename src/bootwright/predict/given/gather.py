"""What the artifacts given to `check` hold together: a kernel, devicetrees, an initramfs, a config.txt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from bootwright.formats.devicetree.fdt import Tree, read_fdt_file
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel
from bootwright.predict.given.inputs import kernel_at, with_parts

if TYPE_CHECKING:
    from bootwright.artifacts.modprobe_config import ModprobeConfig
    from bootwright.boards.model import Board
    from bootwright.firmware.config_txt import ConfigTxt
    from bootwright.formats.sources.compressed import Growth
    from bootwright.predict.kernel.drivers import KernelFacts
    from bootwright.predict.root_device import Volume
    from bootwright.predict.rules.predicates import FileSystemFacts, Given


@define
class Gathered:
    """Artifacts by what they are."""

    kernel: Kernel | None = None
    dtbs: dict[str, Path] = field(factory=dict)
    """File name → path, of every devicetree blob given or found in a folder given."""
    initramfs: Path | None = None
    inside: frozenset[str] | None = None
    """Modules of an initramfs inside an image."""
    os: dict[str, Version] = field(factory=dict)
    """The operating system an image holds."""
    config_txt: ConfigTxt | None = None
    boot_partition: bool = False
    """Whether config.txt was read where the firmware reads it, so that what is not beside it is missing."""
    overlay_files: dict[str, Path] = field(factory=dict)
    """Overlay name → file."""
    devicetree: Path | None = None
    """The one that an image's boot loader hands over, whatever the firmware picks."""
    filesystems: tuple[FileSystemFacts, ...] | None = None
    """To be mounted by the kernel; None where no image is among the artifacts."""
    arguments: str | None = None
    """The kernel's, by the boot entry of an image."""
    cmdline: str | None = None
    """The kernel's, where the user says it."""
    early_modprobe: ModprobeConfig | None = None
    root_modprobe: ModprobeConfig | None = None
    """What the initramfs, and what the root file system, says to modprobe."""
    volumes: tuple[Volume, ...] | None = None
    """The partitions of a disk image."""
    has_initramfs: bool | None = None
    """Whether the image's kernel has one; None where no image is among the artifacts."""
    firmware: frozenset[str] | None = None
    """Paths below `/lib/firmware`; None where there is no root file system among the artifacts."""
    entry: str | None = None
    """The boot entry of an image that was asked for."""
    unapplied: tuple[str, ...] = ()
    """What of config.txt could not be applied to the devicetree that was made last."""
    notes: list[str] = field(factory=list)
    growth: Growth | None = None
    """May have begun to expand the first artifact."""

    def facts(self) -> KernelFacts:
        """The kernel as the predictor sees it, with the initramfs and the arguments it is started with."""
        from bootwright.predict.api import facts_of
        from bootwright.predict.arguments import Arguments

        assert self.kernel is not None  # noqa: S101 - gather() refuses otherwise
        arguments = Arguments(self.arguments, "the boot entry") if self.arguments is not None else None
        if self.cmdline is not None:
            arguments = Arguments(self.cmdline, "--cmdline")
        inside = self.initramfs_modules()
        return facts_of(self.kernel, inside, arguments, (self.early_modprobe, self.root_modprobe))

    def given(self, board: Board | None = None) -> Given:
        """What else there is for the kernel, on a board."""
        from bootwright.predict.rules.predicates import Given

        settings: dict[str, str] | None = None
        if self.config_txt is not None and board is not None and board.firmware_models:
            from bootwright.firmware.given_tree import settings_of

            settings = settings_of(self.config_txt, board)
        return Given(
            self.filesystems,
            self.firmware,
            self.unapplied,
            settings,
            volumes=self.volumes,
            initramfs=True if self.initramfs is not None else self.has_initramfs,
            # A stepping's own is not needed where there is another one's: the firmware takes that.
            devicetree_missing=self.boot_partition
            and board is not None
            and not any(stepping.dtb in self.dtbs for stepping in board.steppings),
        )

    def tree(self, board: Board, path: Path, overlays: Sequence[Path] = (), code: int | None = None) -> Tree:
        """The devicetree Linux gets: a blob with what config.txt adds, then further overlays.

        `code` is the board's revision code, where known. What cannot be applied is in `unapplied`.
        """
        from bootwright.firmware.given_tree import devicetree_of
        from bootwright.formats.devicetree.overlay import apply_overlays

        tree = read_fdt_file(path)
        self.unapplied = ()
        if self.config_txt is not None and board.firmware_models:
            made = devicetree_of(tree, self.config_txt, self.overlay_files, board, code=code)
            tree, self.unapplied = made.tree, tuple(f"config.txt: {text}" for text in made.not_applied)
            for text in made.applied:
                self._note(f"config.txt: applied {text}")
        return apply_overlays(tree, [read_fdt_file(one) for one in overlays]) if overlays else tree

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def initramfs_modules(self) -> frozenset[str] | None:
        """Names of the modules in the initramfs, or None when none was given."""
        if self.initramfs is None:
            return self.inside
        from bootwright.predict.given.initramfs import early_modules

        assert self.kernel is not None  # noqa: S101 - gather() refuses otherwise
        early = early_modules(self.initramfs)
        self.early_modprobe = early.modprobe
        release = self.kernel.release
        for other in early.others(release):
            self._note(
                f"{self.initramfs} holds modules of {other}, which the kernel {release} does not look for"
            )
        return early.of(release)


def gather(
    artifacts: Sequence[str],
    progress: Progress,
    *,
    modules: Path | None = None,
    config: Path | None = None,
    entry: str | None = None,
    cmdline: str | None = None,
    growth: Growth | None = None,
) -> Gathered:
    """Sort artifacts by their content; the kernel's own devicetrees count where no others are given.

    `entry` is the boot entry of an image that counts, where not the default; `cmdline` is the kernel's
    command line in place of the boot entry's; `growth` may have begun to expand the first artifact. Raises
    `Refused` for two kernels, `Missing` where no kernel is among them.
    """
    found = Gathered(entry=entry, growth=growth, cmdline=cmdline)
    for artifact in artifacts:
        path = Path(artifact)
        if artifact.startswith(("http://", "https://")):
            _image(found, artifact, progress)
        elif path.is_file():
            _file(found, path, progress, modules, config)
        elif path.is_dir() and any(next(path.glob(each), None) for each in _LOADERS):
            _image(found, artifact, progress)
        elif path.is_dir() and not _holds_kernel(path, progress):
            for blob in sorted(path.rglob("*.dtb")):
                if blob.stem == "overlay_map":
                    found.overlay_files.setdefault(blob.stem, blob)
                else:
                    found.dtbs.setdefault(blob.name, blob)
            for blob in sorted(path.rglob("*.dtbo")):
                found.overlay_files.setdefault(blob.stem, blob)
            if (path / "config.txt").is_file():
                found.config_txt = _config_txt(path / "config.txt")
                found.boot_partition = True
            if not found.dtbs:
                raise Missing(
                    f"{path} holds neither a kernel nor devicetrees", hint="give a folder that does"
                )
        else:
            _kernel(found, artifact, progress, modules, config)
    if found.kernel is not None:
        found.kernel = with_parts(found.kernel, modules=modules, config=config)
    if found.kernel is None:
        raise Missing(
            "no kernel is among the artifacts", hint="add one: a catalogue name, a .deb, a folder or an Image"
        )
    if not found.dtbs and found.kernel.dtbs is not None:
        for name, path in blobs_in(found.kernel.dtbs):
            found.dtbs.setdefault(name, path)
    if not found.dtbs and found.devicetree is None:
        raise Missing(
            f"{found.kernel.name} comes without devicetrees", hint="add a .dtb or a folder with some"
        )
    return found


def blobs_in(folder: Path) -> Iterator[tuple[str, Path]]:
    """(file name, path) of every DTB below a folder, in the order of their paths: a package has 1,300."""
    found = [(place, name) for place, _, names in os.walk(folder) for name in names if name.endswith(".dtb")]
    for place, name in sorted(found):
        yield name, Path(place, name)


def _kernel(
    found: Gathered, spec: str, progress: Progress, modules: Path | None, config: Path | None
) -> None:
    if found.kernel is not None:
        raise Refused(
            f"two kernels: {found.kernel.name} and {spec}", hint="check them one by one, or use --matrix"
        )
    found.kernel = kernel_at(spec, progress, modules=modules, config=config)


def _holds_kernel(path: Path, progress: Progress) -> bool:
    try:
        kernel_at(str(path), progress)
    except BootwrightError:
        return False
    return True


def _file(found: Gathered, path: Path, progress: Progress, modules: Path | None, config: Path | None) -> None:
    from bootwright.inspect.detect import detect

    source = FileBytes(path)
    kind = detect(source)
    if kind == "compressed":
        kind = _inside(source)
    if kind == "devicetree":
        if read_fdt_file(path).is_overlay:
            found.overlay_files[path.stem] = path
        else:
            found.dtbs[path.name] = path
    elif kind is None and path.name.lower() == "config.txt":
        found.config_txt = _config_txt(path)
    elif kind in _HOLD_OTHERS:
        _image(found, str(path), progress)
    elif kind == "initramfs":
        found.initramfs = path
    else:
        _kernel(found, str(path), progress, modules, config)


def _config_txt(path: Path) -> ConfigTxt:
    from bootwright.firmware.config_txt import read_config_txt

    def load(name: str) -> bytes | None:
        # Included files lie beside it; a path that leads elsewhere is not followed.
        place = (path.parent / name).resolve()
        inside = place.is_relative_to(path.parent.resolve())
        return place.read_bytes() if inside and place.is_file() else None

    return read_config_txt(path.read_bytes(), str(path), load=load)


_LOADERS = (
    *("grub/grub.cfg", "boot/grub/grub.cfg", "EFI/*/grub.cfg"),
    *("extlinux/extlinux.conf", "boot/extlinux/extlinux.conf"),
    *("loader/entries/*.conf", "EFI/Linux/*.efi"),
)
"""What a folder has in it that was an image, or a partition: its boot loader then says which kernel."""
_PEEK = 1 << 17
"""Bytes; the last magic that is looked for is at 64 KiB."""
_HOLD_OTHERS = frozenset({"disk", "vfat", "xfs", "ext", "squashfs", "superblock", "uki", "tar"})


def _image(found: Gathered, artifact: str, progress: Progress) -> None:
    from bootwright.boards.model import boards
    from bootwright.predict.given.image import contents

    names = {stepping.dtb for board in boards() for stepping in board.steppings}
    growth, found.growth = found.growth, None
    inside = contents(artifact, progress, blobs=names, entry=found.entry, growth=growth)
    if inside.kernel is not None:
        if found.kernel is not None:
            raise Refused(
                f"two kernels: {found.kernel.name} and {inside.kernel.name}", hint="check them one by one"
            )
        found.kernel = inside.kernel
    for name, path in inside.dtbs.items():
        found.dtbs.setdefault(name, path)
    found.os.update(inside.os)
    found.devicetree = inside.devicetree or found.devicetree
    found.filesystems = (*(found.filesystems or ()), *inside.filesystems)
    found.arguments = inside.arguments if inside.arguments is not None else found.arguments
    found.early_modprobe = inside.early_modprobe or found.early_modprobe
    found.root_modprobe = inside.root_modprobe or found.root_modprobe
    found.volumes = inside.volumes if inside.volumes is not None else found.volumes
    found.has_initramfs = inside.initramfs if inside.initramfs is not None else found.has_initramfs
    found.firmware = (
        inside.firmware if found.firmware is None else found.firmware | (inside.firmware or set())
    )
    found.config_txt = found.config_txt or inside.config_txt
    found.boot_partition |= inside.config_txt is not None
    found.overlay_files |= inside.overlays
    found.notes.extend(inside.notes)
    if inside.initramfs_modules is not None:
        found.inside = inside.initramfs_modules


def _inside(source: FileBytes) -> str | None:
    """What a compressed file holds, by its first bytes."""
    from bootwright.formats.sources.bytesource import Bytes
    from bootwright.formats.sources.compressed import Expansion, compression_of
    from bootwright.inspect.detect import detect

    first = b""
    for chunk in Expansion(source, compression_of(source) or "", limit=1 << 40):
        first += chunk
        if len(first) >= _PEEK:
            break
    return detect(Bytes(first[:_PEEK], source.name))


def blob_for(found: Gathered, name: str, board: Board | None = None) -> Path:
    """The devicetree of that file name; where a boot loader names one, or one single blob was given, that."""
    if found.devicetree is not None:
        return found.devicetree
    if board is not None and found.config_txt is not None:
        from bootwright.firmware.given_tree import devicetree_name

        name = devicetree_name(found.config_txt, board) or name
    if name in found.dtbs:
        return found.dtbs[name]
    if len(found.dtbs) == 1:
        return next(iter(found.dtbs.values()))
    raise Missing(f"there is no {name} among {len(found.dtbs)} devicetrees", hint="add it, or its folder")


def trees(found: Gathered) -> dict[Path, Tree]:
    """Every devicetree, parsed."""
    return {path: read_fdt_file(path) for path in found.dtbs.values()}
