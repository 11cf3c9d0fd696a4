"""Recipes: what an image is made of, one TOML file each.

A recipe names parts (kernel, devicetree blobs, config.txt, command line, initramfs, boot loader) and says
where on which partition each goes. Paths are relative to the recipe's folder.
"""

from __future__ import annotations

from pathlib import Path

from attrs import evolve, field, frozen

from bootwright.foundation.errors import Refused

LOADERS = ("grub", "uki", "extlinux", "none")
FILESYSTEMS = ("vfat", "xfs", "ext4", "none")
XFS_FEATURES = ("rmapbt", "nrext64")
"""Features of XFS that a partition may ask for (mkfs.xfs(8), xfsprogs 6.1), beside those it always has."""
COMPRESSIONS = ("xz", "zstd", "gzip", "none")
PARTS = (
    "kernel", "initramfs", "dtbs", "overlays", "config.txt", "loader", "loader-config", "uki", "sd-boot",
)  # fmt: skip
"""What `files` of a partition may name, beside `file:PATH`, `folder:PATH` and `package:NAME/FILE`."""


MAIN = "main"
"""The id of the profile that has no table of its own."""


@frozen
class KernelPart:
    """`from`: a name of the catalogue, a .deb, an arm64 Image, or a folder with `vmlinuz`, modules, DTBs."""

    origin: str
    modules: str | None = None
    """A folder such as `/lib/modules/RELEASE`, for an Image of one's own."""
    config: str | None = None
    zboot: bool = False
    """Whether it goes into the image as an EFI zboot image with zstd, where it is none already."""


@frozen
class InitramfsPart:
    """An archive of the user's (`from`), or the stand-in's, made here."""

    origin: str = "stand-in"
    compression: str = "xz"
    root_compression: str = "zstd"
    early: tuple[str, ...] = ()
    """Modules loaded before the root file system can be mounted; a built-in one is left out."""
    load: tuple[str, ...] = ()
    """Modules loaded once it is."""
    modules: tuple[str, ...] = ()
    """Further modules the root file system carries, with what they depend on; `*` for all.

    What has a `/` is a pattern of paths below the kernel's folder of modules: `drivers/net/phy/*`."""
    uncompressed: bool = False
    """Whether modules lie in the root file system without their compression (a signature stays in force)."""
    files: dict[str, str] = field(factory=dict, hash=False)
    """Path in the root file system (in an archive of the user's: in that) → file or folder of the user's."""


@frozen
class TreesPart:
    """Devicetree blobs: `from` is `kernel`, `stand-in` or a folder; `files` are patterns below it."""

    origin: str = "kernel"
    files: tuple[str, ...] = ("*.dtb",)
    apply: tuple[str, ...] = ()
    """Overlay files applied to each of them, in order (fdtoverlay)."""


@frozen
class LoaderPart:
    """The boot loader."""

    kind: str
    title: str = ""
    timeout: int = 3
    """Seconds the menu waits."""
    package: str | None = None
    """A file of `data/parts/`; by default the one for `kind`."""
    label: str = "BOOT"
    """GRUB: the label of the file system that holds kernel and configuration."""
    devicetree: str | None = None
    """extlinux: the blob to load (FDT), by its path on the partition; else the folder of `dtbs` (FDTDIR)."""
    overlays: tuple[str, ...] = ()
    """extlinux: overlays that U-Boot applies to it (FDTOVERLAYS)."""
    splash: str | None = None
    """uki: the picture that the stub shows, a BMP file or `stand-in`."""
    default: str = MAIN
    """The id of the profile that starts by itself."""


@frozen
class ProfilePart:
    """One more way to start: an entry of the menu, a profile of a UKI."""

    id: str
    title: str
    arguments: tuple[str, ...] = ()
    """Behind those of the recipe's command line."""


@frozen
class PartitionPart:
    """One partition, in the order of the disk."""

    label: str
    type: str
    size: int
    """Bytes."""
    filesystem: str = "none"
    files: dict[str, str] = field(factory=dict, hash=False)
    """Absolute path on it → part, `file:PATH`, `folder:PATH` or `package:NAME/FILE`.

    A folder's files go below the path."""
    xfs: tuple[str, ...] = ()
    """Features of XFS beyond those that every GRUB of today reads: `XFS_FEATURES`."""


@frozen
class Recipe:
    """One recipe."""

    name: str
    title: str
    folder: Path
    """What relative paths are relative to."""
    text: bytes = field(repr=False)
    """The file as it was read: ids are made from its hash."""
    version: str = "stand-in"
    kernel: KernelPart | None = None
    initramfs: InitramfsPart | None = None
    dtbs: TreesPart | None = None
    overlays: TreesPart | None = None
    config_txt: tuple[str, ...] = ()
    """Lines of a config.txt."""
    arguments: tuple[str, ...] = ()
    """The kernel's command line."""
    loader: LoaderPart | None = None
    profiles: tuple[ProfilePart, ...] = ()
    """Ways to start beside the main one, in the order of the menu."""
    partitions: tuple[PartitionPart, ...] = ()
    base: str | None = None
    """An image to begin with in place of an empty disk: the parts given replace its own."""
    files: dict[str, str] = field(factory=dict, hash=False)
    """With a base: `PARTITION:/path` → `file:PATH` or `package:NAME/FILE`."""
    source: str = ""

    @property
    def size(self) -> int | None:
        """Bytes of the image; None where it is a base image's."""
        return (
            sum(partition_part.size for partition_part in self.partitions) + (2 << 20)
            if self.partitions
            else None
        )

    def path(self, text: str) -> Path:
        """A path of the recipe on this machine."""
        return self.folder / Path(text).expanduser()


def with_kernel(recipe: Recipe, kernel: str) -> Recipe:
    """The recipe with another kernel; raises `Refused` when it has none."""
    if recipe.kernel is None:
        raise Refused(f"{recipe.name} has no kernel to replace", hint="its base image keeps its own")
    return evolve(recipe, kernel=KernelPart(origin=kernel))
