"""Boot loaders and stubs of arm64 from an archive's packages, verified as kernels are.

Which packages: one file each in `data/parts/`. Nothing is installed and no architecture is added to the
user's system; the files of one folder of the package are kept in the cache under the package's SHA256.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from attrs import evolve, frozen

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.streams import CHUNK
from bootwright.formats.sources.transport import Transport
from bootwright.foundation import atomic, cache
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.progress import Progress, Silent
from bootwright.kernels.archive import apt
from bootwright.kernels.archive.index import Indexer, Suite
from bootwright.kernels.archive.packages import Package, version_key
from bootwright.kernels.source import Layout, Source, load_sources

_MOST_FILE = 64 << 20
_MOST_FILES = 4096


@frozen
class BootPart:
    """One file of `data/parts/`."""

    name: str
    title: str
    source: str
    archive: str
    """The kernel source (a file of `data/kernels/`) whose archive has the package."""
    suite: str
    package: str
    folder: str
    """The folder of the package whose files are kept; ends in `/`."""


@frozen
class Unpacked:
    """The files of a boot part on this machine."""

    folder: Path
    package: str
    version: str
    sha256: str
    """Of the whole package."""
    origin: str
    """Package, version and archive, in words."""


PARTS = Kind("parts", "a boot part", BootPart)


def boot_part(
    name: str, *, archive: str | None = None, offline: bool = False, progress: Progress | None = None
) -> Unpacked:
    """The files of a part, fetched and verified if they are not here.

    Raises `Refused` for an unknown part, `Missing` when the network is needed and not there, `Malformed`
    when what came is not what the signed index says.
    """
    part = PARTS.get(name)
    progress = progress or Silent()
    archive = archive or os.environ.get("BOOTWRIGHT_ARCHIVE") or None
    source = _source(part)
    indexer = Indexer(
        cache.KERNELS.folder() / "index",
        Transport(proxies=apt.proxies),
        progress,
        archive=archive,
        offline=offline,
    )
    index = indexer.get(source)
    suite = (
        next((candidate for candidate in index.suites if candidate.name == part.suite), None)
        if index
        else None
    )
    package = _newest(suite, part.package)
    if suite is None or package is None:
        if index is None:
            raise Missing(f"{part.title} would have to be fetched", hint="run it once without --offline")
        raise Refused(
            f"{part.package} is not in {part.suite} of {source.title}", hint="try another --archive"
        )
    key = f"{package.sha256}-{hashlib.sha256(part.folder.encode()).hexdigest()[:8]}"
    if offline and not (cache.PARTS.folder() / key).is_dir():
        raise Missing(f"{part.title} would have to be fetched", hint="run it once without --offline")
    folder = cache.PARTS.fetched_folder(
        key, lambda work: _fetch(part, suite, package, work, progress), package.sha256, progress
    )
    return Unpacked(
        folder=folder,
        package=package.name,
        version=package.version,
        sha256=package.sha256,
        origin=f"{package.name} {package.version} of {source.title} {suite.name}, SHA256 verified",
    )


def _source(part: BootPart) -> Source:
    """The kernels' archive with other packages wanted of it."""
    base = next((source for source in load_sources() if source.name == part.archive), None)
    if base is None:
        raise Refused(f"{part.name}: there is no archive {part.archive!r}")
    key = hashlib.sha256(f"{part.package} {part.suite}".encode()).hexdigest()[:8]
    return evolve(
        base,
        name=f"{base.name}-part-{key}",
        suites=(part.suite,),
        layout=(Layout(boot=(part.package,), modules=()),),
        snapshot=base.snapshot,
    )


def _newest(suite: Suite | None, name: str) -> Package | None:
    packages = [package for package in suite.packages if package.name == name] if suite else []
    return max(packages, key=lambda package: version_key(package.version), default=None)  # type: ignore[arg-type, return-value]


def _fetch(part: BootPart, suite: Suite, package: Package, work: Path, progress: Progress) -> None:
    """Download the package, verify it and write the part's files into the empty folder `work`."""
    url = f"{suite.archive}/{package.filename}"
    download = cache.KERNELS.folder() / "downloads" / f"{package.sha256}.part"
    with (
        progress.step(f"fetch {package.name}"),
        Download(Transport(proxies=apt.proxies), url, download, package.size) as stream,
    ):
        try:
            _unpack(DebReader(stream, url), part, work, url)
            stream.drain()
            if stream.position != package.size or stream.sha256() != package.sha256:
                raise Malformed(
                    url,
                    None,
                    f"{package.size} bytes with SHA256 {package.sha256[:16]}… as in the package list",
                    f"{stream.position} bytes with SHA256 {stream.sha256()[:16]}…",
                    hint="the mirror is damaged or was tampered with; try another --archive",
                )
        except Malformed:
            stream.discard()
            raise
        stream.discard()


def _unpack(deb: DebReader, part: BootPart, work: Path, where: str) -> None:
    count = 0
    for member, content in deb.files():
        if member.kind != "file" or not member.name.startswith(part.folder):
            continue
        count += 1
        if member.size > _MOST_FILE or count > _MOST_FILES:
            raise Malformed(
                f"{where}:{member.name}", None, f"at most {_MOST_FILES} files of {_MOST_FILE} bytes", "more"
            )
        place = work / member.name.removeprefix(part.folder)
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("wb") as file:
                while piece := content.read(CHUNK):
                    file.write(piece)
        except OSError as error:
            raise atomic.explained(error, place) from error
    if not count:
        raise Malformed(where, None, f"files in {part.folder}", "none")
