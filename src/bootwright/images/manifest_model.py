"""What a manifest says: each part of an image with its hash and where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from bootwright.foundation.errors import Malformed

FORMAT = "bootwright.image-manifest/1"
_MOST = 16 << 20


@frozen
class ImagePart:
    """One part of an image."""

    name: str
    """`kernel`, `initramfs`, `dtb`, `overlay`, `config.txt`, `loader`, `loader-config`, `uki`, …"""
    path: str
    """Where it lies: `BOOT:/A/vmlinuz`; inside another part: `BOOT:/A/initramfs.xz:/rootfs.sqsh`."""
    sha256: str
    size: int
    """Bytes."""
    version: str | None = None
    """What it says of itself: a kernel's release, a package's version; None where it says nothing."""
    origin: str | None = None
    """Where it came from, in words; None where that is not known."""

    def as_json(self) -> dict[str, object]:
        """The documented form (docs/schemas/manifest.schema.json)."""
        return {
            "name": self.name,
            "path": self.path,
            "sha256": self.sha256,
            "size": self.size,
            "version": self.version,
            "origin": self.origin,
        }


@frozen
class ImageManifest:
    """All parts of an image."""

    image: str
    """The image's file name."""
    parts: tuple[ImagePart, ...]
    recipe: Mapping[str, str] | None = None
    """Name and SHA-256 of the recipe it was composed by; None where it is not known."""
    complete: bool = True
    """False: only what a swap changed in an image that had no manifest."""

    def as_json(self) -> dict[str, object]:
        """The documented form."""
        return {
            "format": FORMAT,
            "image": self.image,
            "recipe": dict(self.recipe) if self.recipe else None,
            "complete": self.complete,
            "parts": [part.as_json() for part in self.parts],
        }

    def text(self) -> str:
        """The document as it is written beside an image."""
        return json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n"


def beside(image: Path) -> Path:
    """Where an image's manifest is written: `NAME.manifest.json`."""
    return image.with_name(image.name + ".manifest.json")


def load(path: Path) -> ImageManifest | None:
    """A manifest's file, or None where there is none; raises `Malformed` for another content."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        data = file.read(_MOST + 1)
    try:
        document: dict[str, Any] = json.loads(data)
        if document["format"] != FORMAT:
            raise ValueError(str(document["format"])[:80])
        parts = tuple(
            ImagePart(
                name=str(part["name"]),
                path=str(part["path"]),
                sha256=str(part["sha256"]),
                size=int(part["size"]),
                version=_text(part.get("version")),
                origin=_text(part.get("origin")),
            )
            for part in document["parts"]
        )
        recipe = document.get("recipe")
        return ImageManifest(
            str(document["image"]),
            parts,
            {str(key): str(recipe[key]) for key in recipe} if recipe else None,
            complete=bool(document.get("complete", True)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Malformed(
            str(path), None, f"a manifest ({FORMAT})", f"{type(error).__name__} {error}"[:120],
            hint="remove the file; the next compose or swap writes a new one",
        ) from error  # fmt: skip


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_tree(files: Iterable[tuple[str, bytes]]) -> tuple[str, int]:
    """(SHA-256, bytes) of several files as one part: of their names and hashes, in the order of the names."""
    total, size = hashlib.sha256(), 0
    for name, data in sorted(files):
        total.update(f"{hashlib.sha256(data).hexdigest()}  {name}\n".encode("utf-8", "surrogateescape"))
        size += len(data)
    return total.hexdigest(), size
