"""The facts of an artifact that a suspicion can be held against, read when first asked for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from attrs import define, frozen

from bootwright.formats.devicetree.fdt import Tree, parse_fdt, read_fdt
from bootwright.formats.filesystems.filesystem import lookup
from bootwright.formats.kernel.arm64_image import KernelImage, read_kernel_image
from bootwright.formats.kernel.config import KernelConfig, read_kernel_config
from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation.errors import BootwrightError
from bootwright.foundation.progress import Progress
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.files import FirmwareTree, ModuleTree
from bootwright.kernels.model import Kernel
from bootwright.predict.api import facts_of
from bootwright.predict.given.image import contents
from bootwright.predict.given.inputs import kernel_at
from bootwright.predict.kernel.drivers import KernelFacts

_PACKED = re.compile(r"\.(?:xz|zst|gz)\Z")
# The banner that strings find in an Image may lack the build's number (init/version.c, Linux 6.12).
_BUILD = re.compile(r"#\d*\s.*")


@frozen
class KernelSeen:
    """A kernel in an artifact."""

    release: str
    build: str | None
    """What follows the release in the banner: `#1 SMP PREEMPT … 2026-03-12`."""
    page_size: int | None
    where: str


@define(eq=False, slots=False)
class Artifact:
    """An image, package, folder, devicetree, or a kernel of the catalogue; see `open_artifact`."""

    name: str
    item: Item | None
    """What was found in it; None for a kernel."""
    given: Kernel | None
    progress: Progress

    @cached_property
    def kernels(self) -> tuple[KernelSeen, ...]:
        """Every kernel in it."""
        if self.given is not None:
            image = read_kernel_image(FileBytes(self.given.image))
            return (_seen(image, self.given.release, self.name),)
        items = [item for item in self._items(ItemKind.KERNEL) if isinstance(item.detail, KernelImage)]
        return tuple(
            _seen(item.detail, item.detail.release, item.origin.where)
            for item in items
            if isinstance(item.detail, KernelImage) and item.detail.release
        )

    @cached_property
    def config(self) -> KernelConfig | None:
        """The configuration of its kernel, where it has one."""
        if self.given is not None:
            path = self.given.config
            return read_kernel_config(FileBytes(path)) if path is not None else None
        configs = [item.detail for item in self._items(ItemKind.KERNEL_CONFIG)]
        return next((config for config in configs if isinstance(config, KernelConfig)), None)

    @cached_property
    def modules(self) -> dict[str, str] | None:
        """Module (with `_`) → its file, of the root file system; None where it has no module tree."""
        if self.given is not None:
            tree = self.given.modules
            if tree is None:
                return None
            paths = sorted(tree.rglob("*.ko*"))
            return {_module_name(path.name): f"{self.name}:/{path.relative_to(tree)}" for path in paths}
        early = {id(item) for item in self._early_trees()}
        trees = [item for item in self._items(ItemKind.MODULES) if id(item) not in early]
        names = dict(pair for item in trees for pair in _names(item))
        # An operating system whose initramfs is its root file system has one tree for both.
        return names or self.initramfs_modules

    @cached_property
    def initramfs_modules(self) -> dict[str, str] | None:
        """The same of the initramfs; None where there is no initramfs."""
        if not self._items(ItemKind.INITRAMFS):
            return None
        return dict(pair for item in self._early_trees() for pair in _names(item))

    @property
    def root_in_initramfs(self) -> bool:
        """Whether the root file system comes packed into the initramfs, as Talos's does: without a disk."""
        early = {id(item) for item in self._early_trees()}
        inside = [tree for item in self._items(ItemKind.INITRAMFS) for tree in item.of_kind(ItemKind.MODULES)]
        return any(id(item) not in early for item in inside)

    @cached_property
    def firmware(self) -> dict[str, str] | None:
        """Device firmware, by the name that drivers ask for → where; None where no /lib is seen."""
        trees = [item for item in self._items(ItemKind.FIRMWARE) if isinstance(item.detail, FirmwareTree)]
        if not trees and not self._items(ItemKind.MODULES, ItemKind.OS_RELEASE):
            return None
        return {
            _PACKED.sub("", path): f"{item.origin.where}/{path}"
            for item in trees
            if isinstance(item.detail, FirmwareTree)
            for path, _ in item.detail.files
        }

    @cached_property
    def facts(self) -> KernelFacts | None:
        """Its kernel's drivers; None without a kernel. Expensive the first time, then cached by content."""
        if self.given is not None:
            return facts_of(self.given)
        if not self.kernels:
            return None
        inside = contents(self.name, self.progress, blobs=())
        return facts_of(inside.kernel, inside.initramfs_modules) if inside.kernel is not None else None

    @cached_property
    def kernel(self) -> Kernel | None:
        """Its kernel as files of this machine; None without one."""
        if self.given is not None or not self.kernels:
            return self.given
        return contents(self.name, self.progress, blobs=()).kernel

    def built_in(self, module: str) -> bool | None:
        """Whether what could be a module is part of the kernel; None where the artifact does not say."""
        if self.facts is None or self.facts.modules is None:
            return None
        return module in self.facts.modules.built_in

    def trees(self, names: frozenset[str]) -> Iterator[Tree]:
        """Devicetrees whose file is one of `names`; where there is only one in all, that one."""
        if self.given is not None:
            folder = self.given.dtbs
            if folder is not None:
                for path in sorted(path for name in names for path in folder.rglob(name)):
                    yield parse_fdt(path.read_bytes(), f"{self.name}:/{path.relative_to(folder)}")
            return
        items = [item for item in self._items(ItemKind.DEVICETREE) if item.source is not None]
        chosen = [item for item in items if PurePosixPath(item.name).name in names]
        for item in chosen or (items if len(items) == 1 else []):
            if item.source is not None:
                yield read_fdt(item.source)

    @property
    def has_devicetrees(self) -> bool:
        """Whether there is any."""
        return bool(self._items(ItemKind.DEVICETREE)) or (
            self.given is not None and self.given.dtbs is not None
        )

    def os_version(self, identity: str) -> tuple[str, str] | None:
        """VERSION_ID of the operating system with that ID, and where it was read."""
        for item in self._items(ItemKind.OS_RELEASE):
            if item.fact("id") == identity and item.fact("version_id") is not None:
                return str(item.fact("version_id")), item.origin.where
        return None

    def identities(self) -> dict[str, str]:
        """`PARTUUID=…`, `UUID=…`, `LABEL=…`, `PARTLABEL=…` of its partitions → where."""
        places: dict[str, str] = {}
        for item in self._items(ItemKind.PARTITION, ItemKind.FILESYSTEM):
            part = item.kind == ItemKind.PARTITION
            for fact, key in (
                ("uuid", "PARTUUID" if part else "UUID"),
                ("label", "PARTLABEL" if part else "LABEL"),
            ):
                value = item.fact(fact)
                if isinstance(value, str) and value:
                    places[f"{key}={value}"] = item.origin.where
        return places

    def program(self, path: str) -> tuple[bool, str] | None:
        """Whether a program is there (in the initramfs or a root file system), and where it was looked for.

        None where no such file system is in the artifact.
        """
        places = [
            item for item in self._items(ItemKind.INITRAMFS, ItemKind.FILESYSTEM) if item.files is not None
        ]
        roots = [
            place
            for place in places
            if place.kind == ItemKind.INITRAMFS or place.of_kind(ItemKind.OS_RELEASE)
        ]
        for item in roots:
            if item.files is not None:
                try:
                    if lookup(item.files, path) is not None:
                        return True, item.origin.where
                except BootwrightError:
                    continue
        return (False, ", ".join(root.origin.where for root in roots)) if roots else None

    def problems(self, kind: ItemKind) -> list[tuple[str, str]]:
        """What is wrong with items of a kind: message and where."""
        return [
            (problem.message, problem.origin.where) for item in self._items(kind) for problem in item.problems
        ]

    def count(self, kind: ItemKind) -> int:
        """How many items of a kind there are."""
        return len(self._items(kind))

    def _items(self, *kinds: ItemKind) -> list[Item]:
        return self.item.of_kind(*kinds) if self.item is not None else []

    def _early_trees(self) -> list[Item]:
        """Module trees that lie in an initramfs itself, not in a root file system packed into it."""
        return [
            child
            for item in self._items(ItemKind.INITRAMFS)
            for child in item.children
            if child.kind == ItemKind.MODULES
        ]


def open_artifact(what: str, progress: Progress) -> Artifact:
    """A file, folder or URL as `inspect` takes it, or what `check` takes as a kernel.

    Raises `Missing` where there is nothing of that name, `Malformed` or `Refused` for what cannot be read.
    """
    path = Path(what)
    url = is_address(what)
    if not url and (not path.exists() or _is_package(path)):
        return Artifact(what, None, kernel_at(what, progress), progress)
    return Artifact(what, Explorer(progress=progress).artifact(what), None, progress)


def _is_package(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(8) == b"!<arch>\n"


def _seen(image: KernelImage, release: str | None, where: str) -> KernelSeen:
    build = _BUILD.search(image.banner or "")
    return KernelSeen(release or "", build[0].strip() if build else None, image.page_size, where)


def _names(item: Item) -> Iterator[tuple[str, str]]:
    if isinstance(item.detail, ModuleTree):
        root = item.origin.where.removesuffix(item.detail.path)
        for name, entry in item.detail.names.items():
            yield name, f"{root}{entry.path}"


def _module_name(file: str) -> str:
    return file.partition(".ko")[0].replace("-", "_")
