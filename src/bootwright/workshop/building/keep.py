"""A kernel that was built, put into the catalogue beside the user's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from attrs import frozen

from bootwright.formats.kernel.arm64_image import read_kernel_image
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.kernels.fetch import check_page_size
from bootwright.kernels.store import ADDED, Manifest, Store

_KEY = "built"
"""The provenance entry that holds what a kernel was made of."""


@frozen
class Made:
    """The files of a build."""

    image: Path
    config: Path
    modules: Path | None
    """`lib/modules/RELEASE` as modules_install made it, or with what describes the image alone."""
    devicetrees: Path | None


def known(store: Store, name: str, key: str) -> Manifest | None:
    """The kernel of that name, where it was made of the very same; raises `Refused` where it is not built."""
    manifest = store.manifest(name)
    if manifest is None:
        return None
    if _KEY not in manifest.provenance:
        raise Refused(
            f"{name} is a kernel that was not built here",
            hint=f"choose another name with --name, or first: bootwright kernels remove {name}",
        )
    return manifest if manifest.provenance[_KEY] == key else None


def keep(
    store: Store,
    made: Made,
    *,
    name: str,
    page_size: int,
    key: str,
    provenance: dict[str, str],
    progress: Progress,
) -> Manifest:
    """Put the files into the store under that name, in place of an earlier build's of the same name.

    Raises `Malformed` where the image is not of that page size, `Missing` where the disk is full.
    """
    with store.changing(name, progress) as work:
        image = FileBytes(made.image)
        facts = read_kernel_image(image)
        check_page_size(facts, made.config, page_size, str(made.image))
        version = Version.parse(facts.version or "")
        if facts.release is None or version is None or "/" in facts.release:
            raise Malformed(
                str(made.image), None, "a release that starts with a version", repr(facts.release)
            )
        tree = work / "tree"
        try:
            if made.modules is not None:
                _copy(made.modules, tree / "lib/modules" / facts.release)
            if made.devicetrees is not None:
                _copy(made.devicetrees, tree / "dtbs")
        except OSError as error:
            raise atomic.explained(error, tree) from error
        digest = store.keep(image)
        manifest = Manifest(
            name=name,
            version=facts.version or "",
            release=facts.release,
            flavour="",
            source=ADDED,
            page_size=page_size,
            image=digest,
            image_bytes=facts.file_size,
            config=store.keep(FileBytes(made.config)),
            modules=(tree / "lib/modules" / facts.release / "kernel").is_dir(),
            dtbs=(tree / "dtbs").is_dir(),
            tree=store.keep_tree(tree, (digest, key)) if tree.is_dir() else None,
            provenance={**provenance, _KEY: key, "verified": "built on this machine"},
        )
        store.save(manifest)
    return manifest


def _copy(source: Path, target: Path) -> None:
    """Regular files only: `build` and `source` of modules_install are links to where it was built."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and not path.is_symlink():
            place = target / path.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def slug(text: str) -> str:
    """A text as part of a kernel's name."""
    return re.sub(r"[^A-Za-z0-9._+]+", "-", text).strip("-")[:60]
