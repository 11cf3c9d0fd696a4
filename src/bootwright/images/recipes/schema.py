"""The form of a recipe's file, as docs/images.md describes it: the classes are the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from bootwright.foundation.choices import hint_for
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.structure import STEM, key, written
from bootwright.images.recipes.recipe import (
    COMPRESSIONS,
    FILESYSTEMS,
    LOADERS,
    MAIN,
    PARTS,
    XFS_FEATURES,
    InitramfsPart,
    KernelPart,
    LoaderPart,
    PartitionPart,
    ProfilePart,
    Recipe,
    TreesPart,
)

_MOST_SIZE = 1 << 42
_SIZE = re.compile(r"(\d{1,12})\s*(B|KiB|MiB|GiB)?")
_UNITS = {None: 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LABEL = re.compile(r"[A-Za-z0-9_-]{1,11}")
_PROFILE = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def _one_of(*known: str) -> Mapping[str, object]:
    def convert(text: str) -> str:
        if text not in known:
            raise ValueError(f"one of {', '.join(known)}", text, hint_for(text, known, kind="values"))
        return text

    return written(str, convert)


def _label(text: str) -> str:
    if not _LABEL.fullmatch(text):
        raise ValueError("a label of at most 11 letters, digits, _ and -", text)
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise ValueError("a value", text)
    return text


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < size <= _MOST_SIZE or size % (1 << 20):
        raise ValueError('a size in whole MiB, such as "100 MiB"', text)
    return size


def _lines(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if "\n" in text:
            raise ValueError("one line each", text)
    return texts


def _paths(files: Mapping[str, str]) -> dict[str, str]:
    for path in files:
        if not path.startswith("/") or ".." in path.split("/") or not path.isprintable():
            raise ValueError("absolute paths without '..'", path)
    return dict(files)


def _parts(files: Mapping[str, str]) -> dict[str, str]:
    for part in files.values():
        if part not in PARTS and not part.startswith(("file:", "folder:", "package:")):
            raise ValueError(
                f"one of {', '.join(PARTS)}, file:PATH, folder:PATH or package:NAME/FILE",
                part,
                hint_for(part, PARTS, kind="parts"),
            )
    return _paths(files)


def _places(files: Mapping[str, str]) -> dict[str, str]:
    for place, origin in files.items():
        if ":/" not in place or ".." in place.split("/"):
            raise ValueError("PARTITION:/path = file:PATH", place)
        if not origin.startswith(("file:", "package:")):
            raise ValueError("file:PATH or package:NAME/FILE", origin)
    return dict(files)


def _features(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if text not in XFS_FEATURES:
            raise ValueError(
                f"one of {', '.join(XFS_FEATURES)}", text, hint_for(text, XFS_FEATURES, kind="features")
            )
    return texts


def _boot_paths(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        if not re.fullmatch(r"/[A-Za-z0-9._/+-]+", text):
            raise ValueError("an absolute path of plain characters for U-Boot", text)
    return texts


def _boot_path(text: str) -> str:
    return _boot_paths((text,))[0]


@frozen(kw_only=True)
class KernelTable:
    """`[kernel]`."""

    origin: str = field(metadata={**key("from"), **written(str, _not_empty)})
    modules: str | None = None
    config: str | None = None
    zboot: bool = False

    def part(self) -> KernelPart:
        """As the composer wants it."""
        return KernelPart(self.origin, self.modules, self.config, self.zboot)


@frozen(kw_only=True)
class InitramfsTable:
    """`[initramfs]`."""

    origin: str = field(default="stand-in", metadata=key("from"))
    compression: str = field(default="xz", metadata=_one_of(*COMPRESSIONS))
    root_compression: str = field(default="zstd", metadata=_one_of(*COMPRESSIONS[:3]))
    early: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    uncompressed: bool = False
    files: dict[str, str] = field(factory=dict, metadata=written(dict[str, str], _paths))

    def part(self) -> InitramfsPart:
        """As the composer wants it."""
        return InitramfsPart(
            origin=self.origin,
            compression=self.compression,
            root_compression=self.root_compression,
            early=self.early,
            load=self.load,
            modules=self.modules,
            uncompressed=self.uncompressed,
            files=self.files,
        )


@frozen(kw_only=True)
class TreesTable:
    """`[dtbs]` and `[overlays]`."""

    origin: str = field(default="kernel", metadata=key("from"))
    files: tuple[str, ...] = ()
    apply: tuple[str, ...] = ()

    def part(self, pattern: str) -> TreesPart:
        """As the composer wants it; without files, those that fit the pattern."""
        return TreesPart(self.origin, self.files or (pattern,), self.apply)


@frozen(kw_only=True)
class LoaderTable:
    """`[loader]`."""

    kind: str = field(default="none", metadata=_one_of(*LOADERS))
    title: str = ""
    timeout: int = 3
    package: str | None = None
    label: str = field(default="BOOT", metadata=written(str, _label))
    devicetree: str | None = field(default=None, metadata=written(str, _boot_path))
    overlays: tuple[str, ...] = field(default=(), metadata=written(tuple[str, ...], _boot_paths))
    splash: str | None = field(default=None, metadata=written(str, _not_empty))
    default: str = MAIN

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for what the loader cannot be given."""
        if not 0 <= self.timeout <= 3600:
            raise ValueError("a timeout of 0 to 3600 seconds", self.timeout)
        if not self.title.isprintable():
            raise ValueError("a printable title", self.title)
        if self.kind != "extlinux" and (self.devicetree or self.overlays):
            raise ValueError("devicetree and overlays only for extlinux", self.kind)
        if self.kind != "uki" and self.splash:
            raise ValueError("a splash only for uki", self.kind)

    def part(self) -> LoaderPart:
        """As the composer wants it."""
        return LoaderPart(
            kind=self.kind,
            title=self.title,
            timeout=self.timeout,
            package=self.package,
            label=self.label,
            devicetree=self.devicetree,
            overlays=self.overlays,
            splash=self.splash,
            default=self.default,
        )


def _profile_id(text: str) -> str:
    if not _PROFILE.fullmatch(text) or text == MAIN:
        raise ValueError(f"a name of at most 64 of a-z, 0-9, ., _ and -, other than {MAIN}", text)
    return text


def _printable(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError("a printable title", text)
    return text


@frozen(kw_only=True)
class ProfileTable:
    """`[[profile]]`."""

    id: str = field(metadata=written(str, _profile_id))
    title: str = field(metadata=written(str, _printable))
    arguments: tuple[str, ...] = field(default=(), metadata=written(tuple[str, ...], _lines))

    def part(self) -> ProfilePart:
        """As the composer wants it."""
        return ProfilePart(self.id, self.title, self.arguments)


@frozen(kw_only=True)
class PartitionTable:
    """`[[partition]]`."""

    label: str = field(metadata=written(str, _label))
    type: str = field(metadata=written(str, _not_empty))
    size: int = field(metadata=written(str, _size))
    filesystem: str = field(default="none", metadata=_one_of(*FILESYSTEMS))
    files: dict[str, str] = field(factory=dict, metadata=written(dict[str, str], _parts))
    xfs: tuple[str, ...] = field(default=(), metadata=written(tuple[str, ...], _features))

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` for files or features without their file system."""
        if self.xfs and self.filesystem != "xfs":
            raise ValueError("features of XFS only for xfs", self.filesystem)
        if self.files and self.filesystem == "none":
            raise ValueError(f"a file system on {self.label}, which is to hold files", "none")

    def part(self) -> PartitionPart:
        """As the composer wants it."""
        return PartitionPart(self.label, self.type, self.size, self.filesystem, self.files, self.xfs)


@frozen(kw_only=True)
class ConfigTable:
    """`[config_txt]`."""

    lines: tuple[str, ...] = field(default=(), metadata=written(tuple[str, ...], _lines))


@frozen(kw_only=True)
class CommandLineTable:
    """`[cmdline]`."""

    arguments: tuple[str, ...] = field(default=(), metadata=written(tuple[str, ...], _lines))


@frozen(kw_only=True)
class RecipeFile:
    """The whole file."""

    name: str = field(metadata=STEM)
    title: str = ""
    version: str = ""
    kernel: KernelTable | None = None
    initramfs: InitramfsTable | None = None
    dtbs: TreesTable | None = None
    overlays: TreesTable | None = None
    config_txt: ConfigTable = ConfigTable()
    cmdline: CommandLineTable = CommandLineTable()
    loader: LoaderTable | None = None
    profiles: tuple[ProfileTable, ...] = field(default=(), metadata=key("profile"))
    partitions: tuple[PartitionTable, ...] = field(default=(), metadata=key("partition"))
    base: str | None = None
    files: dict[str, str] = field(factory=dict, metadata=written(dict[str, str], _places))
    source: str = ""

    def __attrs_post_init__(self) -> None:
        """Raises `ValueError` where tables do not go together."""
        if (self.base is None) == (not self.partitions):
            raise ValueError("either partitions or a base image", "both" if self.base else "neither")
        if self.base is not None and self.loader is not None:
            raise ValueError("no [loader] beside a base image, which has its own", "one")
        if self.files and self.base is None:
            raise ValueError("[files] only beside a base image; a partition has its own `files`", "no base")
        ids = [MAIN, *(profile.id for profile in self.profiles)]
        if len(set(ids)) != len(ids):
            raise ValueError("profiles of different ids", ", ".join(ids))
        if self.profiles and self.loader is None:
            raise ValueError("a table [loader] for profiles to be started by", "none")
        if self.loader is not None and self.loader.default not in ids:
            raise ValueError(
                f"a profile as `default` of [loader]: {', '.join(ids)}",
                self.loader.default,
                hint_for(self.loader.default, ids, kind="profiles"),
            )
        wanted = {part for partition in self.partitions for part in partition.files.values()}
        for part, table in self._tables().items():
            if part in wanted and table is None:
                raise ValueError(f"a table [{part}] for what a partition holds", "none")
        if "uki" in wanted and (self.kernel is None or self.initramfs is None):
            raise ValueError("[kernel] and [initramfs] for a uki", "one of them is missing")

    def _tables(self) -> Mapping[str, object]:
        """What a partition may hold → the table that it is made by."""
        return {
            "kernel": self.kernel,
            "initramfs": self.initramfs,
            "dtbs": self.dtbs,
            "overlays": self.overlays,
            **dict.fromkeys(("loader", "loader-config", "uki", "sd-boot"), self.loader),
        }

    def recipe(self, data: bytes, folder: Path) -> Recipe:
        """As the composer wants it; `data` is the file, and paths are relative to `folder`."""
        return Recipe(
            name=self.name,
            title=self.title or self.name,
            folder=folder,
            text=data,
            version=self.version or "stand-in",
            kernel=self.kernel.part() if self.kernel else None,
            initramfs=self.initramfs.part() if self.initramfs else None,
            dtbs=self.dtbs.part("*.dtb") if self.dtbs else None,
            overlays=self.overlays.part("*.dtbo") if self.overlays else None,
            config_txt=self.config_txt.lines,
            arguments=self.cmdline.arguments,
            loader=self.loader.part() if self.loader else None,
            profiles=tuple(profile.part() for profile in self.profiles),
            partitions=tuple(partition.part() for partition in self.partitions),
            base=self.base,
            files=self.files,
            source=self.source,
        )


RECIPES = Kind("recipes", "a recipe", RecipeFile)
