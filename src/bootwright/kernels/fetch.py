"""Brings a kernel of the archive into the store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.kernel.arm64_image import KernelImage, read_kernel_image, unwrapped
from bootwright.formats.kernel.config import read_kernel_config
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.transport import NotThere, Transport
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress
from bootwright.kernels.archive.index import Entry
from bootwright.kernels.archive.packages import Package
from bootwright.kernels.extract import Taken, Wanted, extract
from bootwright.kernels.store import Manifest, Store

_MB = 1e6


class Fetcher:
    """Fetches with one transport into one store."""

    def __init__(self, store: Store, transport: Transport, progress: Progress) -> None:
        self._store = store
        self._transport = transport
        self._progress = progress

    def fetch(self, entry: Entry, *, modules: bool) -> Manifest:
        """The kernel with what was asked for; waits when another process is at it, and uses its work.

        Raises `Refused` when the modules have left the archive, `Malformed` when anything does not verify.
        """
        with self._store.changing(entry.name, self._progress) as work:
            known = self._store.manifest(entry.name)
            if known is not None and (known.modules or not modules):
                return known
            if modules and not entry.modules:
                raise Refused(_left(entry), hint=_snapshot_hint(entry))
            packages = entry.modules if modules else entry.boot
            done = set(known.whole) if known is not None else set()
            if known is not None and known.tree is not None:
                _link_tree(self._store.trees / known.tree, work / "tree")
            try:
                taken = [
                    (package, self._package(entry, package, work, modules=modules))
                    for package in packages
                    if package.sha256 not in done
                ]
                return self._keep(entry, known, taken, work, modules=modules)
            except Malformed:
                if known is not None and set(known.packages) != done:
                    # Its image came from the front of a package that turns out wrong as a whole.
                    self._store.forget(entry.name)
                raise

    def _package(self, entry: Entry, package: Package, work: Path, *, modules: bool) -> Taken:
        """Stream one package; when it was read whole, its SHA256 is the index's or it is an error."""
        url = f"{entry.suite.archive}/{package.filename}"
        part = self._store.downloads / f"{package.sha256}.part"
        front_only = entry.layout.front_share is not None and not modules
        wanted = Wanted(entry.release, entry.source.paths, modules=modules, front_only=front_only)
        megabytes = package.size / _MB
        what = f"fetch {package.name}, {megabytes:.0f} MB"
        if front_only:
            about = megabytes * (entry.layout.front_share or 1)
            what = f"fetch {package.name} (as far as image and config, about {about:.0f} MB)"
        with self._progress.step(what), Download(self._transport, url, part, package.size) as download:
            shown = _Shown(download, self._progress, None if front_only else package.size)
            try:
                deb = DebReader(shown, url)
                if (deb.field("Package"), deb.field("Version")) != (package.name, package.version):
                    raise Malformed(
                        url,
                        None,
                        f"{package.name} {package.version}",
                        f"{deb.field('Package')} {deb.field('Version')}",
                    )
                taken = extract(deb, wanted, work, url)
                if taken.ended:
                    download.drain()
                    _check_whole(download, package, url)
            except NotThere as error:
                raise NotThere(
                    f"{package.name} {package.version} is in the package list, but no longer in the archive",
                    hint=_snapshot_hint(entry),
                ) from error
            except Malformed:
                # What is there is wrong, and would be wrong again.
                download.discard()
                raise
            if taken.ended:
                # All of it is unpacked; a front alone is kept, for fetching the rest later.
                download.discard()
        return taken

    def _keep(
        self,
        entry: Entry,
        known: Manifest | None,
        taken: list[tuple[Package, Taken]],
        work: Path,
        *,
        modules: bool,
    ) -> Manifest:
        if (work / "vmlinuz").is_file():
            image = FileBytes(work / "vmlinuz")
            facts = read_kernel_image(image)
            digest = self._store.keep(unwrapped(image)[0])
            page_size = check_page_size(facts, work / "config", entry.page_size, entry.name)
            if facts.release != entry.release:
                raise Malformed(entry.name, None, f"an image of {entry.release}", f"one of {facts.release}")
            if known is not None and known.image != digest:
                raise Malformed(
                    entry.name,
                    None,
                    f"the image fetched before ({known.image[:16]}…)",
                    f"another one in the verified package ({digest[:16]}…)",
                    hint="the first was not what the archive signed, and is forgotten; fetch again",
                )
            size = facts.file_size
        elif known is not None:
            digest, page_size, size = known.image, known.page_size, known.image_bytes
        else:
            raise Malformed(entry.name, None, "a kernel image in the package", "none")
        config = known.config if known is not None else None
        if (work / "config").is_file():
            config = self._store.keep(FileBytes(work / "config"))
        whole = {package.sha256 for package, result in taken if result.ended}
        used = {package.sha256 for package, _ in taken}
        if known is not None:
            whole |= set(known.whole)
            used |= set(known.packages)
        has_dtbs = (work / "tree/dtbs").is_dir()
        tree = None
        if (work / "tree").is_dir():
            tree = self._store.keep_tree(work / "tree", (*sorted(whole), "modules" if modules else "boot"))
        manifest = Manifest(
            name=entry.name,
            version=str(entry.version),
            release=entry.release,
            flavour=entry.flavour,
            source=entry.source.name,
            page_size=page_size,
            image=digest,
            image_bytes=size,
            config=config,
            tree=tree,
            modules=modules,
            dtbs=has_dtbs,
            suite=entry.suite.name,
            whole=tuple(sorted(whole)),
            packages=tuple(sorted(used)),
            provenance=_provenance(entry, known, taken),
        )
        self._store.save(manifest)
        return manifest


def check_page_size(facts: KernelImage, config: Path, expected: int | None, name: str) -> int:
    """The page size in bytes by the image's header, else by the config; `expected` is what the flavour says.

    Raises `Malformed` when they disagree, or when neither says.
    """
    size = facts.page_size
    if config.is_file():
        built = read_kernel_config(FileBytes(config)).page_size
        if size is not None and built is not None and size != built:
            raise Malformed(
                name, None, f"{size} byte pages as in the image's header", f"{built} in its config"
            )
        size = size if size is not None else built
    if size is None:
        raise Malformed(
            name,
            24,
            "a page size in the image's header or its config",
            "neither says",
            hint="give the kernel's config with --config",
        )
    if expected is not None and size != expected:
        raise Malformed(name, 24, f"{expected} byte pages as its flavour says", str(size))
    return size


class _Shown:
    """A stream that reports how much of it was read."""

    def __init__(self, stream: Download, progress: Progress, total: int | None) -> None:
        self._stream = stream
        self._progress = progress
        self._total = total / _MB if total is not None else None

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._progress.advance(self._stream.position / _MB, self._total, "MB")
        return data


def _check_whole(download: Download, package: Package, url: str) -> None:
    if download.position != package.size or download.sha256() != package.sha256:
        raise Malformed(
            url,
            None,
            f"{package.size} bytes with SHA256 {package.sha256[:16]}… as in the package list",
            f"{download.position} bytes with SHA256 {download.sha256()[:16]}…",
            hint="the mirror is damaged or was tampered with; try another --archive",
        )


def _link_tree(source: Path, target: Path) -> None:
    """The files of a kept tree, under new names (no copies: they never change)."""
    try:
        shutil.copytree(source, target, copy_function=os.link)
    except (OSError, shutil.Error) as error:
        raise atomic.explained(
            error if isinstance(error, OSError) else OSError(str(error)), target
        ) from error


def _provenance(entry: Entry, known: Manifest | None, taken: list[tuple[Package, Taken]]) -> dict[str, str]:
    provenance = dict(known.provenance) if known is not None else {}
    provenance |= {"archive": entry.suite.archive, "suite": entry.suite.name, "index": entry.suite.checked}
    for package, result in taken:
        provenance[f"package {package.name}"] = (
            f"{package.version}, {package.filename}, {package.size} bytes, SHA256 {package.sha256}: "
            + ("read whole, SHA256 verified" if result.ended else "front only, SHA256 not verified")
        )
    if entry.boot[0].sha256 in {package.sha256 for package, result in taken if not result.ended}:
        provenance["verified"] = (
            "index: by signature. image and config: their MD5 is the one in the package's own md5sums, the "
            "compression's checksum holds for every block that was read to its end, and "
            "the package's name, version and size are the index's. The package's SHA256 was NOT verified, "
            "because only its front was read: whoever controls the mirror or the connection to it could have "
            "changed them. Fetching the kernel with its modules verifies it."
        )
    else:
        provenance["verified"] = (
            "index: by signature. packages: SHA256 of each whole package, as in the signed index."
        )
    if entry.absent:
        provenance["absent"] = f"no longer in the archive: {', '.join(entry.absent)}"
    return provenance


def _left(entry: Entry) -> str:
    return f"the modules of {entry.name} are no longer in the archive ({', '.join(entry.absent)})"


def _snapshot_hint(entry: Entry) -> str:
    snapshot = entry.source.snapshot
    if snapshot is None:
        return "choose another version: bootwright kernels list"
    past = snapshot.base.format(date="DATE")
    return f"choose another version, or a date when it was current: --archive {past}"
