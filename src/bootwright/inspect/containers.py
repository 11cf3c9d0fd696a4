"""Container images as items: their configurations, and the files that all layers make together."""

from __future__ import annotations

from bootwright.formats.archives.oci import is_oci, read_oci
from bootwright.formats.filesystems.filesystem import FileSystem
from bootwright.foundation.errors import BootwrightError
from bootwright.inspect.facts import Item, ItemKind, Origin, Problem, Value, facts_at
from bootwright.inspect.files import described
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
                Item(ItemKind.CONTAINER, manifest.title, where, facts_at(where, values), problems=(problem,))
            )
            continue
        children.append(
            described(explorer, files, manifest.title, depth + 1, more=values, kind=ItemKind.CONTAINER)
        )
    facts = facts_at(origin, {"layout": image.layout, "images": len(image.manifests)})
    return Item(ItemKind.OCI_IMAGE, name, origin, facts, tuple(children), tuple(problems), detail=image)
