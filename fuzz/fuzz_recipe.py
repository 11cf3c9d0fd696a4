"""Any bytes are a recipe or an error that names what is wrong."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.errors import BootwrightError
from bootwright.images.recipes.reader import read_recipe


def one_input(data: bytes) -> None:
    """Read arbitrary bytes as a recipe."""
    try:
        recipe = read_recipe(data, "fuzz.toml", folder=Path(), name="fuzz")
    except BootwrightError:
        return
    assert bool(recipe.base) != bool(recipe.partitions)
    for partition in recipe.partitions:
        assert partition.size % (1 << 20) == 0
        assert all(path.startswith("/") and ".." not in path.split("/") for path in partition.files)


if __name__ == "__main__":
    import sys

    import atheris

    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
