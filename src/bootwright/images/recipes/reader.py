"""Finds a recipe by name or path, and reads it."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.choices import not_there
from bootwright.foundation.knowledge import MOST_BYTES, parse_table
from bootwright.foundation.structure import structure
from bootwright.images.recipes.recipe import Recipe
from bootwright.images.recipes.schema import RECIPES, RecipeFile


def recipes() -> dict[str, Path]:
    """The recipes that come with the product and the user's own, by name."""
    return RECIPES.files()


def find_recipe(name: str) -> Recipe:
    """A recipe by name, or by the path of its file; raises `Missing`, `Malformed`."""
    known = recipes()
    path = known.get(name) or Path(name)
    if not path.is_file():
        raise not_there(f"there is no recipe {name!r}, and no such file", name, sorted(known), kind="recipes")
    with path.open("rb") as file:
        data = file.read(MOST_BYTES + 1)
    return read_recipe(data, str(path), folder=path.resolve().parent, name=path.stem)


def read_recipe(data: bytes, where: str, *, folder: Path, name: str) -> Recipe:
    """The recipe in `data`; raises `Malformed` for a key, type or value that is not right."""
    return structure(parse_table(data, where), RecipeFile, where, stem=name).recipe(data, folder)
