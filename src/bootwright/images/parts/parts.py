"""The parts a recipe names, made or fetched: files ready to be put on a partition."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

from attrs import evolve, frozen

from bootwright.formats.devicetree.fdt import read_fdt_file
from bootwright.formats.kernel.arm64_image import unwrapped
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import atomic, tools
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.places import DATA
from bootwright.foundation.progress import Progress
from bootwright.images.manifest_model import sha256_of
from bootwright.images.parts import loaders
from bootwright.images.parts.given_files import check_initramfs
from bootwright.images.parts.initramfs_part import os_release, standin_initramfs, with_files
from bootwright.images.parts.kernel_part import KernelFiles, kernel_files
from bootwright.images.parts.loaders import MenuEntry
from bootwright.images.recipes.recipe import MAIN, LoaderPart, Recipe, TreesPart
from bootwright.images.write import uki
from bootwright.images.write.zboot import zboot
from bootwright.kernels.boot_parts import Unpacked, boot_part
from bootwright.kernels.catalogue import Library

_PACKAGES = {"grub": "grub-arm64-efi", "uki": "systemd-boot-arm64"}
_MOST_FILES = 100_000

CARRIED = DATA / "recipes/stand-in"
"""Files of the stand-in: a picture, an overlay."""


@frozen
class PartFile:
    """One file of a part."""

    name: str
    """Below where the part is put; empty where the part is one file, which takes the name it is given."""
    path: Path
    part: str
    """What the manifest calls it."""
    version: str | None
    origin: str

    @cached_property
    def sha256(self) -> str:
        """Of the file."""
        return sha256_of(self.path)


class Parts:
    """Makes each part of a recipe once, in a folder of its own below `work`."""

    def __init__(
        self, recipe: Recipe, work: Path, progress: Progress, *, library: Library | None = None
    ) -> None:
        self._recipe = recipe
        self._work = work
        self._progress = progress
        self._library = library

    def files(self, part: str) -> list[PartFile]:
        """The files of a part as `recipe.PARTS` names it, or of `file:PATH` and `folder:PATH`."""
        if part.startswith("file:"):
            return [self._given(self._recipe.path(part.removeprefix("file:")))]
        if part.startswith("folder:"):
            return list(self._given_folder(self._recipe.path(part.removeprefix("folder:"))))
        if part.startswith("package:"):
            return [self._from_package(part.removeprefix("package:"))]
        if part in {"dtbs", "overlays"}:
            return self._trees(part)
        return [self._one(part)]

    @cached_property
    def kernel(self) -> KernelFiles:
        """The kernel with all that belongs to it."""
        part = self._recipe.kernel
        if part is None:
            raise Refused(f"{self._recipe.name} names no kernel", hint="add a table [kernel]")
        return kernel_files(
            part.origin,
            self._work_folder("kernel"),
            folder=self._recipe.folder,
            modules=part.modules,
            config=part.config,
            library=self._library,
            progress=self._progress,
        )

    @cached_property
    def _kernel_file(self) -> PartFile:
        """The kernel's image in the form that the recipe asks for."""
        kernel = self.kernel
        given = PartFile("", kernel.image, "kernel", kernel.release, kernel.origin)
        if self._recipe.kernel is None or not self._recipe.kernel.zboot:
            return given
        image, wrapping = unwrapped(FileBytes(kernel.image))
        if "zboot" in wrapping:
            return given
        path = self._work_folder("kernel") / "vmlinuz.efi"
        with self._progress.step("compress the kernel"):
            path.write_bytes(zboot(image.read(0, image.size), str(kernel.image)))
        return evolve(given, path=path, origin=f"{kernel.origin}, made an EFI zboot image with zstd here")

    @cached_property
    def initramfs(self) -> PartFile:
        """The initramfs: the user's, or the stand-in's."""
        part = self._recipe.initramfs
        if part is not None and part.origin != "stand-in":
            given = self._given(self._recipe.path(part.origin), "initramfs")
            check_initramfs(given.path)
            return self._with_files(given, part.files) if part.files else given
        path = standin_initramfs(self._recipe, self.kernel, self._work_folder("initramfs"), self._progress)
        origin = (
            f"made here: bootwright's stand-in, modules of {self.kernel.release} from {self.kernel.origin}"
        )
        return PartFile("", path, "initramfs", self._recipe.version, origin)

    def _with_files(self, given: PartFile, files: Mapping[str, str]) -> PartFile:
        """The user's archive with more files behind it, as one of the kernel's several archives."""
        path = self._work_folder("initramfs") / "initramfs"
        places = {place: self._recipe.path(source) for place, source in files.items()}
        atomic.write_bytes(path, with_files(given.path.read_bytes(), places))
        return evolve(given, path=path, origin=f"{given.origin}, with {', '.join(sorted(files))}")

    @cached_property
    def loader_package(self) -> Unpacked:
        """The boot loader's files, from the archive."""
        loader = self._loader
        name = loader.package or _PACKAGES.get(loader.kind)
        if name is None:
            raise Refused(f"a boot loader of kind {loader.kind!r} has no program to install")
        return boot_part(name, progress=self._progress)

    def _one(self, part: str) -> PartFile:
        if part == "kernel":
            return self._kernel_file
        if part == "initramfs":
            return self.initramfs
        if part == "config.txt":
            text = "".join(f"{line}\n" for line in self._recipe.config_txt)
            return self._text("config.txt", text, "config.txt")
        if part == "loader-config":
            return self._text("loader-config", self._loader_config(), "loader-config")
        if part == "uki":
            return self._uki()
        package = self.loader_package
        origin = package.origin
        if part == "sd-boot":
            return PartFile("", package.folder / "systemd-bootaa64.efi", "loader", package.version, origin)
        loader = self._loader
        if loader.kind == "uki":
            return PartFile("", package.folder / "systemd-bootaa64.efi", "loader", package.version, origin)
        path = loaders.grub_image(
            package, loader.label, self._place("loader-config"), self._work_folder("loader")
        )
        return PartFile("", path, "loader", package.version, f"made by grub-mkimage from {origin}")

    def _loader_config(self) -> str:
        loader = self._loader
        entries = self._entries()
        if loader.kind == "uki":
            # The first profile is what sd-boot starts by itself; the others have ids of their own.
            name = posixpath.basename(self._place("uki"))
            default = f"{name}@{loader.default}" if loader.default != MAIN else None
            return loaders.loader_config(loader.timeout, default)
        kernel, initramfs = self._place("kernel"), self._place_or_none("initramfs")
        if loader.kind == "extlinux":
            return loaders.extlinux_config(
                entries,
                loader.timeout,
                kernel=kernel,
                initramfs=initramfs,
                trees=self._place_or_none("dtbs"),
                default=loader.default,
                devicetree=loader.devicetree,
                overlays=loader.overlays,
            )
        return loaders.grub_config(entries, loader.timeout, kernel, initramfs, default=loader.default)

    def _entries(self) -> list[MenuEntry]:
        """The main way to start, then the others."""
        recipe = self._recipe
        title = self._loader.title or recipe.title
        return [
            MenuEntry(MAIN, title, recipe.arguments),
            *(
                MenuEntry(profile.id, profile.title, (*recipe.arguments, *profile.arguments))
                for profile in recipe.profiles
            ),
        ]

    def _uki(self) -> PartFile:
        package = self.loader_package
        stub = package.folder / "linuxaa64.efi.stub"
        if not stub.is_file():
            raise Missing(f"{package.package} {package.version} holds no linuxaa64.efi.stub")
        image = uki.add_sections(
            stub.read_bytes(),
            [
                uki.NewSection(".osrel", os_release(self._recipe).encode()),
                uki.NewSection(".cmdline", " ".join(self._recipe.arguments).encode()),
                uki.NewSection(".initrd", self.initramfs.path.read_bytes()),
                *self._splash(),
                uki.NewSection(".uname", self.kernel.release.encode()),
                uki.NewSection(".linux", self._kernel_file.path.read_bytes()),
                *self._profile_sections(),
            ],
            str(stub),
        )
        path = self._work_folder("uki") / "uki.efi"
        path.write_bytes(image)
        origin = f"made here: {package.origin}; kernel {self.kernel.origin}; {self.initramfs.origin}"
        return PartFile("", path, "uki", self.kernel.release, origin)

    def _splash(self) -> Iterator[uki.NewSection]:
        given = self._loader.splash
        if given is not None:
            path = CARRIED / "stand-in.bmp" if given == "stand-in" else self._recipe.path(given)
            data = self._given(path).path.read_bytes()
            if not data.startswith(b"BM"):
                raise Malformed(str(path), 0, "a BMP file, as systemd's stub reads", ascii(data[:2])[1:])
            yield uki.NewSection(".splash", data)

    def _profile_sections(self) -> Iterator[uki.NewSection]:
        """UAPI.5, multi-profile UKIs: what stands before the first `.profile` holds for all of them."""
        entries = self._entries()
        if len(entries) == 1:
            return
        for entry in entries:
            title = f"TITLE={shlex.quote(entry.title)}\n" if entry.id != MAIN else ""
            yield uki.NewSection(".profile", f"ID={entry.id}\n{title}".encode())
            if entry.id != MAIN:
                yield uki.NewSection(".cmdline", " ".join(entry.arguments).encode())

    def _trees(self, which: str) -> list[PartFile]:
        part = self._recipe.dtbs if which == "dtbs" else self._recipe.overlays
        if part is None:
            raise Refused(f"{self._recipe.name} has no table [{which}]")
        if part.origin == "kernel":
            folder, origin, version = self.kernel.dtbs, self.kernel.origin, self.kernel.release
            if folder is None:
                raise Missing(
                    f"{self.kernel.image} comes without devicetree blobs", hint="name a folder of them"
                )
        elif part.origin == "stand-in":
            folder, origin, version = CARRIED, "bootwright's own, carried along", ""
        else:
            folder, origin, version = self._recipe.path(part.origin), part.origin, ""
            if not folder.is_dir():
                raise Missing(f"{folder} is not a folder", hint="paths are relative to the recipe's folder")
        name = "dtb" if which == "dtbs" else "overlay"
        trees: dict[str, Path] = {}
        for pattern in part.files:
            trees.update(matching(folder, pattern))
        if not trees:
            raise Missing(f"{folder} has no file that matches {', '.join(part.files)}")
        for path in trees.values():
            if path.suffix in {".dtb", ".dtbo"}:
                read_fdt_file(path)
        if part.apply:
            trees, origin = (
                self._with_overlays(part, trees),
                f"{origin}, with {', '.join(part.apply)} applied",
            )
        return [PartFile(inner, path, name, version or None, origin) for inner, path in sorted(trees.items())]

    def _with_overlays(self, part: TreesPart, trees: dict[str, Path]) -> dict[str, Path]:
        program = tools.need("fdtoverlay", purpose="apply overlays")
        overlays = [self._recipe.path(overlay) for overlay in part.apply]
        merged: dict[str, Path] = {}
        for number, (name, path) in enumerate(sorted(trees.items())):
            output = self._work_folder("merged") / f"{number}.dtb"
            tools.run([program, "-i", path, "-o", output, *overlays])
            merged[name] = output
        return merged

    def _from_package(self, text: str) -> PartFile:
        """`NAME/FILE`: a file of a boot part (`data/parts/`)."""
        name, _, file = text.partition("/")
        package = boot_part(name, progress=self._progress)
        path = package.folder / file
        if not file or ".." in file.split("/") or not path.is_file():
            raise Missing(f"{package.package} {package.version} has no {file!r} in the folder taken from it")
        return PartFile("", path, "firmware", package.version, package.origin)

    def _given(self, path: Path, part: str = "file") -> PartFile:
        if not path.is_file():
            raise Missing(f"there is no file {path}", hint="paths are relative to the recipe's folder")
        return PartFile("", path, part, None, str(path))

    def _given_folder(self, folder: Path) -> Iterator[PartFile]:
        if not folder.is_dir():
            raise Missing(f"{folder} is not a folder", hint="paths are relative to the recipe's folder")
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield PartFile(path.relative_to(folder).as_posix(), path, "file", None, str(path))

    def _text(self, name: str, text: str, part: str) -> PartFile:
        path = self._work_folder(name.replace(".", "-")) / "text"
        atomic.write_text(path, text)
        return PartFile("", path, part, None, f"recipe {self._recipe.name}")

    @property
    def _loader(self) -> LoaderPart:
        if self._recipe.loader is None:
            raise Refused(f"{self._recipe.name} names no boot loader", hint="add a table [loader]")
        return self._recipe.loader

    def _place(self, part: str) -> str:
        place = self._place_or_none(part)
        if place is None:
            raise Refused(f"{self._recipe.name}: no partition holds {part!r}, which the boot loader needs")
        return place

    def _place_or_none(self, part: str) -> str | None:
        return next(
            (
                path
                for partition in self._recipe.partitions
                for path, held in partition.files.items()
                if held == part
            ),
            None,
        )

    def _work_folder(self, name: str) -> Path:
        folder = self._work / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def matching(folder: Path, pattern: str) -> dict[str, Path]:
    """Files below `folder` that fit, by their path below the pattern's last fixed folder.

    `broadcom/bcm2712*.dtb` gives names without `broadcom/`; `**/*.dtb` keeps the folders. Raises `Refused`
    for a pattern that leads out of the folder.
    """
    if pattern.startswith("/") or ".." in pattern.split("/"):
        raise Refused(f"the pattern {pattern!r} leads out of its folder")
    fixed = posixpath.dirname(pattern)
    while any(char in fixed for char in "*?["):
        fixed = posixpath.dirname(fixed)
    files: dict[str, Path] = {}
    for path in sorted(folder.glob(pattern)):
        if path.is_file():
            if len(files) >= _MOST_FILES:
                raise Refused(f"{folder}: more than {_MOST_FILES} files match {pattern!r}")
            files[path.relative_to(folder / fixed).as_posix()] = path
    return files
