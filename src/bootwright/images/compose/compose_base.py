"""Composes an image on a base image: the parts a recipe gives replace the base's own, in a copy."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from bootwright.foundation import atomic
from bootwright.foundation.errors import Refused
from bootwright.foundation.progress import Progress
from bootwright.images.change.changes import Changes
from bootwright.images.change.edits import ArgumentEdit, ConfigEdit
from bootwright.images.change.swap import swap
from bootwright.images.manifest_model import ImageManifest, beside
from bootwright.images.parts.given_files import check_initramfs, check_kernel
from bootwright.images.parts.parts import Parts
from bootwright.images.recipes.recipe import Recipe
from bootwright.kernels.catalogue import Library


def manifest_on_base(
    recipe: Recipe,
    output: Path,
    work: Path,
    *,
    recipe_hash: str,
    progress: Progress,
    library: Library | None = None,
) -> ImageManifest:
    """Make `output` from the recipe's base, and its manifest beside it; `work` is an empty folder.

    Raises what `swap` raises, and `Refused` for a part that makes no sense on a base.
    """
    parts = Parts(recipe, work / "parts", progress, library=library)
    base = recipe.path(recipe.base or "")
    changes = _changes(recipe, parts, work / "links")
    if changes.initramfs is not None and changes.initramfs.is_file():
        check_initramfs(changes.initramfs)
    if changes.kernel is not None and Path(changes.kernel).is_file():
        check_kernel(Path(changes.kernel))
    made = swap(base, output, changes, progress=progress)
    manifest = evolve(made.manifest, recipe={"name": recipe.name, "sha256": recipe_hash})
    atomic.write_text(beside(output), manifest.text())
    for note in made.notes:
        progress.note(note)
    return manifest


def _changes(recipe: Recipe, parts: Parts, work_folder: Path) -> Changes:
    initramfs = None
    if recipe.initramfs is not None:
        if recipe.initramfs.origin == "stand-in":
            raise Refused(
                "a base image has its own root file system; the stand-in's initramfs cannot be used with it",
                hint="name an initramfs with `from` in [initramfs], or leave the table out",
            )
        initramfs = recipe.path(recipe.initramfs.origin)
    trees: list[Path] = []
    for which, given in (("dtbs", recipe.dtbs), ("overlays", recipe.overlays)):
        for file in parts.files(which) if given is not None else ():
            # Swap goes by the file's name, which a merged or cached blob does not have.
            link = work_folder / which / Path(file.name).name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.path.resolve())
            trees.append(link)
    return Changes(
        kernel=_origin(recipe) if recipe.kernel is not None else None,
        modules=str(recipe.path(recipe.kernel.modules)) if recipe.kernel and recipe.kernel.modules else None,
        trees=tuple(trees),
        arguments=tuple(
            ArgumentEdit.parse(text if text[:1] in {"+", "-"} else f"+{text}") for text in recipe.arguments
        ),
        config=tuple(ConfigEdit.parse(text) for text in recipe.config_txt),
        initramfs=initramfs,
        files=tuple(
            (place, file.path) for place, part in sorted(recipe.files.items()) for file in parts.files(part)
        ),
    )


def _origin(recipe: Recipe) -> str:
    """A path of the recipe's, or a name of the catalogue as it is."""
    origin = recipe.kernel.origin if recipe.kernel is not None else ""
    path = recipe.path(origin)
    return str(path) if path.exists() else origin
