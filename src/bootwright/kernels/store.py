"""The kernels on this machine: content-addressed files, and a manifest a kernel that appears last.

kernels/NAME.json         what the kernel is made of; without it nothing below counts
kernels/objects/SHA256    images and configs
kernels/trees/SHA256/     `lib/modules/RELEASE/` and `dtbs/`, named by the packages they came from
kernels/downloads/        packages as far as they came, by their SHA256
kernels/unfinished/NAME/  a fetch under way (or one that was killed: the next one clears it away)
kernels/locks/            one lock a kernel, so that two processes do not fetch the same
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from attrs import asdict, field, frozen

from bootwright.formats.sources.bytesource import ByteSource
from bootwright.formats.sources.streams import CHUNK
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed
from bootwright.foundation.processes.locks import locked
from bootwright.foundation.progress import Progress
from bootwright.foundation.structure import structure
from bootwright.foundation.versions import Version
from bootwright.kernels.model import Kernel

_SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,120}")

ADDED = "added"
"""The source of kernels of the user's own, and how their names begin."""


@frozen
class Manifest:
    """What is kept of one kernel."""

    name: str
    version: str
    release: str
    flavour: str
    source: str
    page_size: int
    image: str
    """SHA256 of the bare Image, which is its name among the objects."""
    image_bytes: int
    config: str | None = None
    tree: str | None = None
    modules: bool = False
    dtbs: bool = False
    suite: str = ""
    whole: tuple[str, ...] = ()
    """SHA256 of the packages that were read to their end and verified."""
    packages: tuple[str, ...] = ()
    """SHA256 of every package that something was taken from."""
    provenance: dict[str, str] = field(factory=dict)
    schema: int = _SCHEMA


class Store:
    """The folder described above."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.objects = root / "objects"
        self.trees = root / "trees"
        self.downloads = root / "downloads"

    def names(self) -> list[str]:
        """Names of all kernels here."""
        return sorted(path.stem for path in self.root.glob("*.json") if _NAME.fullmatch(path.stem))

    def manifest(self, name: str) -> Manifest | None:
        """What is kept under `name`; None when it is not here whole."""
        if not _NAME.fullmatch(name):
            return None
        try:
            kept = json.loads((self.root / f"{name}.json").read_text(encoding="utf-8"))
            manifest = structure(kept, Manifest, name)
            if (
                manifest.schema != _SCHEMA
                or (self.objects / manifest.image).stat().st_size != manifest.image_bytes
            ):
                return None
        except (OSError, ValueError, Malformed):
            return None
        config_there = manifest.config is None or (self.objects / manifest.config).is_file()
        tree_there = manifest.tree is None or (self.trees / manifest.tree).is_dir()
        return manifest if config_there and tree_there else None

    def of_image(self, digest: str) -> Manifest | None:
        """A kernel whose Image has that SHA-256; None where none is here."""
        manifests = (self.manifest(name) for name in self.names())
        return next((manifest for manifest in manifests if manifest and manifest.image == digest), None)

    def kernel(self, manifest: Manifest) -> Kernel:
        """The kernel with its paths."""
        version = Version.parse(manifest.version)
        if version is None:
            raise Malformed(f"{self.root / manifest.name}.json", None, "a version", repr(manifest.version))
        tree = self.trees / manifest.tree if manifest.tree else None
        return Kernel(
            name=manifest.name,
            version=version,
            release=manifest.release,
            page_size=manifest.page_size,
            image=self.objects / manifest.image,
            image_sha256=manifest.image,
            config=self.objects / manifest.config if manifest.config else None,
            modules=tree / "lib/modules" / manifest.release if tree and manifest.modules else None,
            dtbs=tree / "dtbs" if tree and manifest.dtbs else None,
            provenance=dict(manifest.provenance),
        )

    def keep(self, source: ByteSource) -> str:
        """Put bytes among the objects; returns their SHA256."""
        digest = hashlib.sha256()
        for offset in range(0, source.size, CHUNK):
            digest.update(source.read(offset, min(CHUNK, source.size - offset)))
        path = self.objects / digest.hexdigest()
        if not path.is_file() or path.stat().st_size != source.size:
            with atomic.new_file(path) as file:
                for offset in range(0, source.size, CHUNK):
                    file.write(source.read(offset, min(CHUNK, source.size - offset)))
        return path.name

    def keep_tree(self, folder: Path, packages: tuple[str, ...]) -> str:
        """Put a finished folder among the trees, under a name made of the packages it came from."""
        name = hashlib.sha256("\n".join(sorted(packages)).encode()).hexdigest()
        target = self.trees / name
        if not target.is_dir():
            try:
                self.trees.mkdir(parents=True, exist_ok=True)
                folder.rename(target)
            except OSError as error:
                raise atomic.explained(error, target) from error
        return name

    def save(self, manifest: Manifest) -> None:
        """Make the kernel count."""
        atomic.write_text(self.root / f"{manifest.name}.json", json.dumps(asdict(manifest), indent=1))

    def forget(self, name: str) -> None:
        """Let a kernel no longer count; what it was made of stays until `remove`."""
        (self.root / f"{name}.json").unlink(missing_ok=True)

    def remove(self, name: str) -> int:
        """Forget a kernel, and delete what no other one needs; returns the bytes freed."""
        before = _size(self.root)
        removed = self.manifest(name)
        self.forget(name)
        kept = [manifest for other in self.names() if (manifest := self.manifest(other)) is not None]
        needed = {part for manifest in kept for part in (manifest.image, manifest.config, manifest.tree)}
        import shutil  # slow to import, and most commands only look a kernel up

        for path in (*self.objects.glob("*"), *self.trees.glob("*")):
            if path.name not in needed:
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        for digest in removed.packages if removed is not None else ():
            if not any(digest in manifest.packages for manifest in kept):
                for path in self.downloads.glob(f"{digest}.*"):
                    path.unlink(missing_ok=True)
        return before - _size(self.root)

    @contextlib.contextmanager
    def changing(self, name: str, progress: Progress) -> Iterator[Path]:
        """Hold the lock of one kernel, and give an empty folder to work in.

        A second process waits here. The store as a whole is held shared, so that `remove` (which holds it
        alone) does not delete what a fetch has just kept.
        """
        with (
            locked(self._lock("store"), progress, shared=True),
            locked(self._lock(f"kernel-{name}"), progress),
        ):
            import shutil

            work = self.root / "unfinished" / name
            try:
                shutil.rmtree(work, ignore_errors=True)
                work.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise atomic.explained(error, work) from error
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self, progress: Progress) -> Iterator[None]:
        """Hold the store alone."""
        with locked(self._lock("store"), progress):
            yield

    def _lock(self, name: str) -> Path:
        return self.root / "locks" / f"{name}.lock"


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())
