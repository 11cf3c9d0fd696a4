"""Reads the manifest of any image: each part with its hash, what it says of itself, and where it came from.

Origins are taken from the manifest beside the image (written by compose and swap) where path and hash agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import evolve, frozen

from bootwright.bootchain.model import Chain, started
from bootwright.bootchain.volumes import place as place_of
from bootwright.formats.archives.initramfs import InitramfsTree, read_segments
from bootwright.formats.devicetree.fdt import read_fdt
from bootwright.formats.filesystems.filesystem import Entry, EntryKind, FileSystem, read_small
from bootwright.formats.filesystems.squashfs import SquashFs, is_squashfs
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.os_release import read_os_release
from bootwright.formats.programs.pe import open_section, read_pe
from bootwright.formats.programs.uki import labeled_sections
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.spool import digest
from bootwright.foundation.errors import BootwrightError
from bootwright.images.manifest_model import ImageManifest, ImagePart, beside, load, sha256_of_tree
from bootwright.images.opened import OpenImage, Volume, all_files, open_image

_CONFIGS = ("/grub.cfg", "/extlinux.conf", "/loader.conf")
_UKI_SECTIONS = {
    ".linux": "kernel",
    ".initrd": "initramfs",
    ".cmdline": "cmdline",
    ".dtb": "dtb",
    ".osrel": "system",
}


@frozen
class _Roles:
    """What the boot chain calls its files, by place."""

    kernels: frozenset[str]
    initramfs: frozenset[str]
    ukis: frozenset[str]
    configs: frozenset[str]


def read_manifest(path: Path) -> ImageManifest:
    """All parts of an image; raises `Malformed` or `Refused` for what is not a readable image.

    A part that cannot be read inside is described by its hash alone: `verify` says what is wrong with it.
    """
    image = open_image(path)
    ways = started(image.chains())
    roles = _roles(ways)
    parts = [part for volume in image.volumes for part in _parts(volume, roles)]
    parts += _arguments(ways)
    return _with_origins(ImageManifest(path.name, tuple(sorted(parts, key=lambda part: part.path))), path)


def _with_origins(manifest: ImageManifest, path: Path) -> ImageManifest:
    written = load(beside(path))
    if written is None:
        return manifest
    known = {(part.path, part.sha256): part for part in written.parts}

    def known_part(part: ImagePart) -> ImagePart:
        written_part = known.get((part.path, part.sha256))
        if written_part is None:
            return part
        # What only its maker knows, such as that a file is firmware, is in what it wrote.
        name = written_part.name if part.name == "file" else part.name
        return evolve(
            part, name=name, origin=written_part.origin, version=part.version or written_part.version
        )

    return evolve(manifest, parts=tuple(map(known_part, manifest.parts)), recipe=written.recipe)


def _roles(ways: Sequence[Chain]) -> _Roles:
    return _Roles(
        kernels=frozenset(chain.kernel.place for chain in ways if chain.kernel),
        initramfs=frozenset(part.place for chain in ways for part in chain.initramfs),
        ukis=frozenset(chain.uki.place for chain in ways if chain.uki),
        configs=frozenset(place_of(*chain.config) for chain in ways if chain.config),
    )


def _parts(volume: Volume, roles: _Roles) -> Iterator[ImagePart]:
    for entry in all_files(volume.files):
        if entry.kind is not EntryKind.FILE:
            continue
        place = volume.path(entry.path)
        source = volume.files.open(entry)
        name = _name(place, entry, roles)
        yield ImagePart(name, place, digest(source), source.size, version=_version(name, source))
        if name == "initramfs":
            yield from inside_initramfs(source, place)
        elif name == "uki":
            yield from _inside_uki(source, place)


def _name(place: str, entry: Entry, roles: _Roles) -> str:
    lower = entry.path.lower()
    if place in roles.kernels:
        return "kernel"
    if place in roles.initramfs:
        return "initramfs"
    if place in roles.ukis:
        return "uki"
    if place in roles.configs or lower.endswith(_CONFIGS):
        return "cmdline" if lower.endswith("cmdline.txt") else "loader-config"
    if lower == "/config.txt":
        return "config.txt"
    if lower.endswith(".dtb"):
        return "dtb"
    if lower.endswith(".dtbo"):
        return "overlay"
    if lower.endswith(".efi"):
        return "loader"
    return "file"


def _version(name: str, source: ByteSource) -> str | None:
    try:
        if name == "kernel":
            return read_kernel_image(source).release
        if name in {"dtb", "overlay"}:
            return read_fdt(source).model
        if name == "uki":
            headers = read_pe(source)
            section = headers.section(".uname")
            if section is not None and section.size < 256:
                return source.read(section.offset, section.size).decode("utf-8", "replace").strip("\0\n ")
    except BootwrightError:
        return None  # what is wrong with it is `verify`'s to say
    return None


def inside_initramfs(source: ByteSource, place: str) -> Iterator[ImagePart]:
    """Modules, squashfs roots and the system's name inside an initramfs; nothing where it cannot be read."""
    try:
        yield from _inside_tree(InitramfsTree(source.name, read_segments(source)), place)
    except BootwrightError:
        return


def _inside_tree(files: FileSystem, place: str) -> Iterator[ImagePart]:
    modules: dict[str, list[tuple[str, bytes]]] = {}
    for entry in all_files(files):
        if entry.kind is not EntryKind.FILE:
            continue
        folder, separator, rest = entry.path.partition("/lib/modules/")
        if separator and ".ko" in rest:
            release, _, name = rest.partition("/")
            data = files.open(entry).read(0, entry.size)
            modules.setdefault(f"{folder}{separator}{release}", []).append((name, data))
        elif entry.path.endswith((".sqsh", ".squashfs")):
            source = files.open(entry)
            yield ImagePart("root", f"{place}:{entry.path}", digest(source), source.size)
            if is_squashfs(source):
                yield from _inside_tree(SquashFs(source), f"{place}:{entry.path}")
    for tree, contents in sorted(modules.items()):
        sha256, size = sha256_of_tree(contents)
        yield ImagePart("modules", f"{place}:{tree}", sha256, size, version=tree.rpartition("/")[2])
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        text = read_small(files, path, 1 << 16)
        if text:
            values = read_os_release(text, path)
            version = values.get("PRETTY_NAME") or values.get("NAME")
            yield ImagePart(
                "system", f"{place}:{path}", hashlib.sha256(text).hexdigest(), len(text), version=version
            )
            return


def _inside_uki(source: ByteSource, place: str) -> Iterator[ImagePart]:
    try:
        headers = read_pe(source)
    except BootwrightError:
        return
    for labeled in labeled_sections(headers):
        name = _UKI_SECTIONS.get(labeled.section.name)
        if name is None or not labeled.section.size:
            continue
        inside, path = open_section(source, labeled.section), f"{place}:{labeled.label}"
        yield ImagePart(name, path, digest(inside), labeled.section.size, version=_version(name, inside))
        if name == "initramfs":
            yield from inside_initramfs(inside, path)


def _arguments(ways: Sequence[Chain]) -> Iterator[ImagePart]:
    """The command line as a part of its own, where it is only a part of a file."""
    lines = {
        f"{place_of(*chain.config)}:arguments": chain.arguments.encode("utf-8", "surrogateescape")
        for chain in ways
        if chain.config is not None and chain.kind != "firmware"
    }
    for where, data in lines.items():
        yield ImagePart("cmdline", where, hashlib.sha256(data).hexdigest(), len(data))


def parts_named(image: OpenImage, name: str) -> list[tuple[str, ByteSource]]:
    """Every file of that part name in an image, with its place; UKIs' sections are looked into."""
    roles = _roles(started(image.chains()))
    parts: list[tuple[str, ByteSource]] = []
    for volume in image.volumes:
        for entry in all_files(volume.files):
            if entry.kind is not EntryKind.FILE:
                continue
            place = volume.path(entry.path)
            kind = _name(place, entry, roles)
            if kind == name:
                parts.append((place, volume.files.open(entry)))
            elif kind == "uki":
                source = volume.files.open(entry)
                parts += [
                    (f"{place}:{labeled.label}", open_section(source, labeled.section))
                    for labeled in labeled_sections(read_pe(source))
                    if _UKI_SECTIONS.get(labeled.section.name) == name
                ]
    return parts
