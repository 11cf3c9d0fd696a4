"""The kernel of an image as files in the cache: its bare Image, its configuration, its modules.

They lie under names made of their content, so that the next look at the same image finds them there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from bootwright.formats.filesystems.filesystem import Entry, FileSystem, lookup
from bootwright.formats.kernel.arm64_image import KernelImage, unwrapped
from bootwright.formats.kernel.config import KernelConfig
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.cache import GIVEN_CONFIGS, GIVEN_IMAGES, GIVEN_MODULES, GIVEN_TREES, KERNELS
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.booted import Boot
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.files import ModuleTree
from bootwright.kernels.model import Kernel
from bootwright.kernels.store import Store
from bootwright.predict.kernel.facts_file import config_of_facts

_PIECE = 1 << 20
_TABLES = frozenset({"modules.builtin", "modules.builtin.modinfo"})
"""What the index of modules reads beside the modules themselves."""


def kernel_of(item: Item, boot: Boot, artifact: str, progress: Progress) -> tuple[Kernel, tuple[str, ...]]:
    """The kernel that is booted, its files in the cache; and notes about modules that do not belong to it."""
    assert boot.kernel.source is not None  # noqa: S101 - what was read as a kernel has bytes
    if isinstance(boot.kernel.detail, KernelImage):
        boot.kernel.detail.require_whole()
    release = str(boot.kernel.fact("release") or "unknown")
    image, digest = _bare_image(boot.kernel.source)
    trees = boot.module_trees or _trees_of_other_release(item, boot)
    notes: tuple[str, ...] = ()
    if not boot.module_trees:
        releases = ", ".join(
            dict.fromkeys(tree.release for child in trees for tree in (_module_tree(child),))
        )
        but = f", but those of {releases}" if releases else ""
        notes = (f"{artifact} holds no modules of {release}{but}",)
    kernel = Kernel(
        name=PurePosixPath(artifact).name or artifact,
        version=_kernel_version(boot.kernel.detail, release),
        release=release,
        page_size=getattr(boot.kernel.detail, "page_size", None) or 0,
        image=image,
        image_sha256=digest,
        config=_config_file(boot, digest) or _config_here(digest),
        modules=_module_folder(trees, digest, progress) if trees else None,
        dtbs=None,
        provenance={"file": artifact, "path": boot.kernel.name},
    )
    return kernel, notes


def _trees_of_other_release(item: Item, boot: Boot) -> tuple[Item, ...]:
    """Module trees of another release, which the kernel does not look for: the first such release only."""
    foreign = {
        id(below)
        for child in item.of_kind(ItemKind.INITRAMFS)
        if child is not boot.initramfs
        for below in child.walk()
    }
    trees = [
        child
        for child in item.of_kind(ItemKind.MODULES)
        if id(child) not in foreign and isinstance(child.detail, ModuleTree) and child.detail.files
    ]
    return tuple(child for child in trees if _module_tree(child).release == _module_tree(trees[0]).release)


def _module_tree(item: Item) -> ModuleTree:
    assert isinstance(item.detail, ModuleTree)  # noqa: S101 - chosen so
    return item.detail


def _kernel_version(detail: object, release: str) -> Version:
    text = detail.version if isinstance(detail, KernelImage) else None
    return Version.parse(text or "") or Version(release, ((0,), 0))


def _bare_image(source: ByteSource) -> tuple[Path, str]:
    image = unwrapped(source)[0]
    data = image.read(0, image.size)
    digest = hashlib.sha256(data).hexdigest()
    return GIVEN_IMAGES.kept(digest, lambda: data), digest


def cached_tree(source: ByteSource, name: str) -> Path:
    """A devicetree or overlay as a file of that name, in a folder of the cache named by its content."""
    data = source.read(0, source.size)
    return GIVEN_TREES.kept(f"{hashlib.sha256(data).hexdigest()[:32]}/{name}", lambda: data)


def _config_file(boot: Boot, digest: str) -> Path | None:
    config = boot.config.detail if boot.config is not None else None
    if not isinstance(config, KernelConfig):
        return None
    text = config.text()
    key = hashlib.sha256(f"{digest}\n{text}".encode()).hexdigest()
    return GIVEN_CONFIGS.kept(key, text.encode)


def _config_here(digest: str) -> Path | None:
    """The configuration of a kernel on this machine whose Image is the same, byte for byte.

    It is of the catalogue, or one whose facts were read (`predict.kernel.facts_file`).
    """
    store = Store(KERNELS.folder())
    manifest = store.of_image(digest)
    return store.kernel(manifest).config if manifest is not None else config_of_facts(digest)


def lacks_configuration(digest: str) -> bool:
    """Whether an image with that kernel was looked at, and nothing here says how it was built."""
    return (GIVEN_IMAGES.folder() / digest).is_file() and _config_here(digest) is None


def _module_folder(trees: Sequence[Item], digest: str, progress: Progress) -> Path:
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
    lines += [f"{name} {source.size}" for name, source in tables.items()]
    release = _folder_name(_module_tree(trees[0]).release)
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
        for at in range(0, source.size, _PIECE):
            file.write(source.read(at, min(_PIECE, source.size - at)))
        os.fchmod(file.fileno(), 0o644)
