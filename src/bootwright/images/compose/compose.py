"""Composes an image from a recipe: the same recipe and parts give the same bytes.

Everything is made below a folder beside the output; the image takes its name when it is whole.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path

from attrs import frozen

from bootwright.bootchain.volumes import LEGACY_BOOT
from bootwright.foundation import atomic
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.images.manifest_model import ImageManifest, ImagePart, beside
from bootwright.images.parts.parts import PartFile, Parts
from bootwright.images.recipes.recipe import PartitionPart, Recipe
from bootwright.images.write import gpt_writer, sparse
from bootwright.images.write.ext4_writer import make_ext4
from bootwright.images.write.gpt_writer import NewPartition
from bootwright.images.write.new_filesystems import identity, make_vfat
from bootwright.images.write.nodes import new_file as new_node
from bootwright.images.write.output import check_space, whole_image, work_folder
from bootwright.images.write.raw_image import is_compressed
from bootwright.images.write.xfs_writer import make_xfs
from bootwright.kernels.catalogue import Library

_OVERHEAD = 96 << 20
"""Bytes that file systems may take for themselves: XFS's log is 64 MiB, though mostly zeros."""


@frozen
class Composed:
    """What was made."""

    image: Path
    manifest: ImageManifest
    size: int
    """Bytes of the image, holes included."""
    stored: int
    """Bytes it takes on this disk."""


def compose(
    recipe: Recipe, output: Path, *, progress: Progress | None = None, library: Library | None = None
) -> Composed:
    """Make `output` (raw), and its manifest beside it.

    Raises `Malformed`, `Refused` or `Missing` for what the recipe asks that cannot be; nothing is left
    under the final name then.
    """
    progress = progress or Silent()
    if recipe.base is not None:
        from bootwright.images.compose.compose_base import manifest_on_base

        with work_folder(output, progress) as work:
            manifest = manifest_on_base(
                recipe,
                output,
                work,
                recipe_hash=_hash(recipe.text),
                progress=progress,
                library=library,
            )
        return _composed(output, manifest)
    with work_folder(output, progress) as work:
        _say_limit(recipe, output, progress)
        parts = Parts(recipe, work / "parts", progress, library=library)
        contents = [_contents(partition, parts) for partition in recipe.partitions]
        seed = _seed(recipe, contents)
        layout = _layout(recipe, seed)
        size = gpt_writer.disk_size(layout)
        # Files are there twice at the peak: in a partition of its own, and in the image.
        amount = sum(file.path.stat().st_size for files in contents for file in files.values())
        check_space(output, (3 if is_compressed(output) else 2) * amount + _OVERHEAD, progress)
        with whole_image(output, work, progress) as file:
            os.truncate(file.fileno(), size)
            for number, (partition, placed, files) in enumerate(
                zip(recipe.partitions, layout, contents, strict=True)
            ):
                if partition.filesystem == "none":
                    continue
                with progress.step(f"make {partition.label} ({partition.filesystem})"):
                    path = work / f"partition-{number}"
                    _make(partition, path, seed, {name: file.path for name, file in files.items()}, work)
                    _into(path, partition.size, file.fileno(), placed.offset)
                    path.unlink()
            gpt_writer.write_gpt(file.fileno(), size, identity(seed, "disk"), layout)
        manifest = ImageManifest(
            output.name,
            tuple(_manifest_parts(recipe, contents)),
            {"name": recipe.name, "sha256": _hash(recipe.text)},
        )
        atomic.write_text(beside(output), manifest.text())
    return _composed(output, manifest)


def _composed(output: Path, manifest: ImageManifest) -> Composed:
    status = output.stat()
    return Composed(output, manifest, status.st_size, status.st_blocks * 512)


def _contents(partition: PartitionPart, parts: Parts) -> dict[str, PartFile]:
    """Absolute path on the partition → file."""
    placed: dict[str, PartFile] = {}
    for place, part in partition.files.items():
        for file in parts.files(part):
            name = posixpath.join(place, file.name) if file.name else place
            if name in placed:
                raise Refused(f"two parts are placed at {partition.label}:{name}")
            placed[name] = file
    return placed


def _seed(recipe: Recipe, contents: list[dict[str, PartFile]]) -> str:
    """What all ids are made from: the recipe, and what it came to."""
    lines = [_hash(recipe.text)]
    for partition, files in zip(recipe.partitions, contents, strict=True):
        lines += [f"{partition.label}:{name} {file.sha256}" for name, file in sorted(files.items())]
    return _hash("\n".join(lines).encode())


def _hash(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _layout(recipe: Recipe, seed: str) -> list[NewPartition]:
    layout: list[NewPartition] = []
    offset = gpt_writer.ALIGN
    extlinux = recipe.loader is not None and recipe.loader.kind == "extlinux"
    for partition in recipe.partitions:
        # U-Boot looks only at partitions marked so, where there are any (bootchain.u_boot).
        bootable = extlinux and "loader-config" in partition.files.values()
        layout.append(
            NewPartition(
                label=partition.label,
                type=gpt_writer.type_guid(partition.type),
                uuid=identity(seed, "partition", partition.label),
                offset=offset,
                size=partition.size,
                attributes=LEGACY_BOOT if bootable else 0,
            )
        )
        offset += partition.size
    return layout


def _say_limit(recipe: Recipe, output: Path, progress: Progress) -> None:
    """Say before anything is made what the partitions can come to; the parts' own sizes tell it exactly."""
    most = (3 if is_compressed(output) else 2) * sum(
        partition.size for partition in recipe.partitions
    ) + _OVERHEAD
    progress.note(
        f"the image and its files can take {most / 1e6:.0f} MB at the peak, by the size of its partitions; "
        "what they take is reported once the parts are made, before the image is"
    )


def _make(partition: PartitionPart, path: Path, seed: str, files: Mapping[str, Path], work: Path) -> None:
    name = identity(seed, "file system", partition.label)
    if partition.filesystem == "vfat":
        make_vfat(
            path,
            partition.size,
            label=partition.label,
            volume_id=name[:8],
            files=files,
            work=work / f"links-{partition.label}",
        )
        return
    nodes = {place: new_node(file) for place, file in files.items()}
    if partition.filesystem == "xfs":
        make_xfs(
            path,
            partition.size,
            label=partition.label,
            identity=name,
            nodes=nodes,
            features=partition.xfs,
        )
    else:
        make_ext4(path, partition.size, label=partition.label, identifier=name, nodes=nodes)


def _into(path: Path, size: int, handle: int, offset: int) -> None:
    source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        sparse.copy_range(source, 0, size, handle, offset)
    finally:
        os.close(source)


def _manifest_parts(recipe: Recipe, contents: list[dict[str, PartFile]]) -> Iterator[ImagePart]:
    for partition, files in zip(recipe.partitions, contents, strict=True):
        for name, file in sorted(files.items()):
            yield ImagePart(
                name=file.part,
                path=f"{partition.label}:{name}",
                sha256=file.sha256,
                size=file.path.stat().st_size,
                version=file.version,
                origin=file.origin,
            )
