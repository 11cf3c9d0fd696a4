"""Container images as items: their configurations, and the files that all layers make together."""

from __future__ import annotations

from bootwright.formats.archives.archive_tree import ArchiveTree
from bootwright.formats.archives.oci import LayeredFiles, Manifest, OciImage, is_oci, read_oci
from bootwright.formats.archives.registry_image import RegistryImage, open_image
from bootwright.formats.filesystems.filesystem import EntryKind, FileSystem, Unreadable, walk
from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.sources.bytesource import ByteSource
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.files import described, is_module_path
from bootwright.inspect.format import Context


def is_container(files: FileSystem) -> bool:
    """Whether files are laid out as a container image."""
    return is_oci(files)


def directory(explorer: Context, files: FileSystem, name: str) -> Item:
    """A directory of this machine: a container image where it has that form, else just files."""
    if is_container(files):
        return container(explorer, files, name, 0)
    return described(explorer, files, name, 0)


def container(explorer: Context, layout: FileSystem, name: str, depth: int) -> Item:
    """A container image: its configurations, and the files all its layers make together."""
    image = read_oci(layout, limit=explorer.bytes_left)
    origin = Origin(image.name)
    problems = tuple(Problem(text, None, origin) for text in image.problems)
    children = tuple(_image(explorer, image, manifest, depth) for manifest in image.manifests)
    facts = facts_at(origin, {"layout": image.layout, "images": len(image.manifests)})
    return Item(ItemKind.OCI_IMAGE, name, origin, facts, children, problems, detail=image)


def of_registry(explorer: Context, reference: str) -> Item:
    """An image of a registry: of its layers, from the top, those that a boot may take something from.

    Raises what `formats.archives.registry_image.open_image` raises, and where a layer cannot be had.
    """
    pulled = open_image(
        reference, limit=explorer.bytes_left, progress=explorer.progress, transport=explorer.transport
    )
    image = pulled.image
    origin = Origin(image.name)
    layered = image.files(
        image.manifests[0], enough=lambda tree: carries_boot(explorer, tree), progress=explorer.progress
    )
    values: dict[str, Value] = {
        "digest": pulled.digest,
        "layers_not_read": list(layered.left) or None,
        "layers_not_verified": list(pulled.in_part) or None,
        "layer_bytes": pulled.size,
    }
    manifest = image.manifests[0]
    values = {**_values(manifest), **values}
    child = described(explorer, layered.tree, manifest.title, 1, more=values, kind=ItemKind.CONTAINER)
    explorer.progress.note(f"{reference}: {_share(pulled, layered)}")
    facts = facts_at(origin, {"layout": image.layout, "images": 1})
    problems = tuple(Problem(text, None, origin) for text in image.problems)
    return Item(ItemKind.OCI_IMAGE, reference, origin, facts, (child,), problems, detail=image)


def _share(pulled: RegistryImage, layered: LayeredFiles) -> str:
    """How much was fetched, and what of it is held to a digest."""
    read = [layer for layer in pulled.layers if layer.digest not in layered.left]
    whole = [layer for layer in read if layer.digest not in pulled.in_part]
    here = ", the rest was here" if pulled.fetched < sum(layer.size for layer in whole) else ""
    part = f", {len(pulled.in_part)} of them in part, which no digest verifies" if pulled.in_part else ""
    held = ", held to their digests" if not part else ""
    return (
        f"{pulled.fetched / 1e6:.1f} of {pulled.size / 1e6:.1f} MB fetched{here}; "
        f"{len(read)} of {len(pulled.layers)} layers read{part}{held}"
    )


def carries_boot(explorer: Context, tree: ArchiveTree) -> bool:
    """Whether the files are all that a boot takes from an image: kernel, initramfs and devicetrees.

    An image that has modules beside them is a root file system itself: then any layer may matter.
    """
    there: set[str] = set()
    for entry in walk(tree):
        if isinstance(entry, Unreadable) or entry.kind is not EntryKind.FILE:
            continue
        if is_module_path(entry.path):
            return False
        role = explorer.role_of(entry.path)
        wanted = role in _BOOT_ROLES and role not in there
        if role and wanted and _is_what_its_name_says(explorer, tree.open(entry), role):
            there.add(role)
    return there >= _BOOT_ROLES


_BOOT_ROLES = frozenset({"kernel", "initramfs", "devicetree"})


def _is_what_its_name_says(explorer: Context, source: ByteSource, role: str) -> bool:
    format_ = explorer.format_of(source)
    if format_ is None or format_.name != "compressed" or role != "kernel":
        return format_ is not None and format_.name in {role, "compressed"}
    try:
        read_kernel_image(source)
    except BootwrightError:
        return False
    return True


def _image(explorer: Context, image: OciImage, manifest: Manifest, depth: int) -> Item:
    where = Origin(f"{image.name}:{manifest.digest}")
    try:
        files = image.files(manifest, progress=explorer.progress).tree
    except BootwrightError as error:
        problem = Problem.of(error, image.name)
        facts = facts_at(where, _values(manifest))
        return Item(ItemKind.CONTAINER, manifest.title, where, facts, problems=(problem,))
    values = _values(manifest)
    return described(explorer, files, manifest.title, depth + 1, more=values, kind=ItemKind.CONTAINER)


def _values(manifest: Manifest) -> dict[str, Value]:
    return {
        "architecture": manifest.architecture,
        "os": manifest.os,
        "created": manifest.created,
        "names": list(manifest.names) or None,
        "labels": dict(manifest.labels) or None,
        "layers": list(manifest.layers),
    }
