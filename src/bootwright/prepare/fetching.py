"""An image on this machine: the file that was given, or the one at an address, fetched whole."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress
from bootwright.image_boot.boot import on_disk
from bootwright.inspect.local import local_image


def image_file(image: str, progress: Progress) -> tuple[Path, str]:
    """(the image's file, its SHA-256). Raises what fetching raises, and `Missing` for a file not there."""
    path = local_image(image, progress)
    if not path.exists():
        raise Missing(f"there is no image {image}", hint="check the name")
    with progress.step(f"hash {path.name}"):
        return path, on_disk(path, progress)[1]
