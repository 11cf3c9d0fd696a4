"""An image on this machine: the file that was given, or one fetched from an address, whole and once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.transport import Transport
from bootwright.formats.sources.url import open_url
from bootwright.foundation.cache import FETCHED
from bootwright.foundation.errors import Missing, Refused
from bootwright.foundation.progress import Progress
from bootwright.image_boot.boot import on_disk


def is_address(image: str) -> bool:
    """Whether an image is named by where it is published."""
    return "://" in image


def local_image(image: str, progress: Progress) -> tuple[Path, str]:
    """(the image's file, its SHA-256); from an address it is fetched into the cache, and goes on there."""
    path = _fetched(image, progress) if is_address(image) else Path(image)
    if not path.exists():
        raise Missing(f"there is no image {image}", hint="check the name")
    with progress.step(f"hash {path.name}"):
        return path, on_disk(path, progress)[1]


def _fetched(url: str, progress: Progress) -> Path:
    if not url.startswith(("http://", "https://")):
        raise Refused(f"{url} cannot be fetched", hint="give a file, or an http(s) address")
    source = open_url(url, progress=progress)
    size = len(source)
    name = hashlib.sha256(f"{url}\n{size}".encode()).hexdigest()
    whole = FETCHED.folder() / f"image-{name}"
    if whole.is_file() and len(FileBytes(whole)) == size:
        os.utime(whole)
        return whole
    part = whole.with_name(f".{whole.name}.part")
    with progress.step(f"fetch {url}"), Download(Transport(), url, part, size) as download:
        while download.read(1 << 20):
            progress.advance(download.position / 1e6, size / 1e6, "MB")
    part.replace(whole)
    FETCHED.evict(keep=whole)
    return whole
