"""Compressed files, packages and container images as items of the tree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bootwright.formats.archives.archive_tree import ArchiveTree
from bootwright.formats.archives.oci import is_oci, read_oci
from bootwright.formats.archives.tar_index import DebTree, tar_members
from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.formats.sources.bytesource import Bytes, ByteSource
from bootwright.formats.sources.compressed import Expansion, compression_of, expand
from bootwright.foundation.errors import BootwrightError, Malformed
from bootwright.inspect import explore_boot, explore_files
from bootwright.inspect.detect import detect
from bootwright.inspect.facts import Item, Origin, Problem, Value, facts_at

if TYPE_CHECKING:
    from bootwright.inspect.explore import Explorer

_PEEK = 1 << 17
"""Bytes that tell what a compressed file holds; the last magic that is looked for is at 64 KiB."""


def compressed(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """Something compressed: described as what it holds, with the compression as a fact of it."""
    kind = compression_of(source) or ""
    first = _peek(source, kind, explorer.bytes_left)
    inside = detect(Bytes(first, source.name))
    if inside == "kernel":
        return explore_boot.kernel(explorer, source, name, depth)
    if inside == "initramfs":
        return explore_boot.initramfs(explorer, source, name, depth)
    origin = Origin(source.name, 0, len(source))
    values: dict[str, Value] = {"compression": kind, "size": len(source)}
    if inside is None and not len(first):
        raise Malformed(source.name, 0, f"something compressed with {kind}", "nothing in it")
    expanded = expand(source, limit=explorer.bytes_left, progress=explorer.progress, growth=explorer.growth)
    explorer.spend(len(expanded))
    values["expanded"] = len(expanded)
    child = explorer.follow(expanded, _stem(name), depth + 1)
    children = (child,) if child is not None else ()
    return Item("compressed", name, origin, facts_at(origin, values), children, source=expanded)


def _peek(source: ByteSource, kind: str, limit: int) -> bytes:
    kept = b""
    try:
        for chunk in Expansion(source, kind, limit=limit):
            kept += chunk
            if len(kept) >= _PEEK:
                break
    except BootwrightError:
        if not kept:
            raise
    return kept[: max(_PEEK, 1)]


def _stem(name: str) -> str:
    base, dot, suffix = name.rpartition(".")
    return base if dot and suffix in {"xz", "zst", "gz", "bz2", "lz4", "lzma"} else name


def package(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A Debian package."""
    deb = DebTree(source, limit=explorer.bytes_left, progress=explorer.progress)
    more: dict[str, Value] = {
        "package": deb.control.get("package"),
        "version": deb.control.get("version"),
        "architecture": deb.control.get("architecture"),
        "source": deb.control.get("source"),
    }
    return explore_files.described(explorer, deb, name, depth, source=source, more=more, kind="package")


def tar(explorer: Explorer, source: ByteSource, name: str, depth: int) -> Item:
    """A tar archive: a container image where it has that form, else just files."""
    tree = ArchiveTree(source.name, "tar", tar_members(source))
    if is_oci(tree):
        return _oci(explorer, tree, name, depth)
    return explore_files.described(explorer, tree, name, depth, source=source, kind="archive")


def directory(explorer: Explorer, files: FileSystem, name: str) -> Item:
    """A directory of this machine: a container image where it has that form, else just files."""
    if is_oci(files):
        return _oci(explorer, files, name, 0)
    return explore_files.described(explorer, files, name, 0)


def _oci(explorer: Explorer, layout: FileSystem, name: str, depth: int) -> Item:
    """A container image: its configurations, and the files all its layers make together."""
    image = read_oci(layout, limit=explorer.bytes_left)
    origin = Origin(image.name)
    children: list[Item] = []
    problems = [Problem(text, None, origin) for text in image.problems]
    for manifest in image.manifests:
        where = Origin(f"{image.name}:{manifest.digest}")
        values: dict[str, Value] = {
            "architecture": manifest.architecture,
            "os": manifest.os,
            "created": manifest.created,
            "names": list(manifest.names) or None,
            "labels": dict(manifest.labels) or None,
            "layers": list(manifest.layers),
        }
        try:
            files = image.files(manifest, progress=explorer.progress)
        except BootwrightError as error:
            problem = Problem.of(error, image.name)
            children.append(
                Item("container", manifest.title, where, facts_at(where, values), problems=(problem,))
            )
            continue
        children.append(
            explore_files.described(explorer, files, manifest.title, depth + 1, more=values, kind="container")
        )
    facts = facts_at(origin, {"layout": image.layout, "images": len(image.manifests)})
    return Item("oci-image", name, origin, facts, tuple(children), tuple(problems), detail=image)
