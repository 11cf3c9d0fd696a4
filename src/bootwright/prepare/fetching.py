"""An image on this machine: the file that was given, or one fetched from an address, whole and once."""

from __future__ import annotations

from pathlib import Path

from bootwright.foundation.errors import Missing
from bootwright.foundation.progress import Progress
from bootwright.image_boot.boot import on_disk
from bootwright.inspect import local


def local_image(image: str, progress: Progress) -> tuple[Path, str]:
    """(the image's file, its SHA-256); from an address it is fetched into the cache, and goes on there.

    Raises what `inspect.local.local_image` raises.
    """
    path = local.local_image(image, progress)
    if not path.exists():
        raise Missing(f"there is no image {image}", hint="check the name")
    with progress.step(f"hash {path.name}"):
        return path, on_disk(path, progress)[1]
