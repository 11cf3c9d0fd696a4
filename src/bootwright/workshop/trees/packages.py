"""Kernel sources that an archive has as packages: found by name, verified, unpacked once."""

from __future__ import annotations

import re
from pathlib import Path

from attrs import field, frozen

from bootwright.formats.archives.deb import DebReader
from bootwright.formats.sources.download import Download
from bootwright.formats.sources.streams import Decompressed
from bootwright.formats.sources.transport import NotThere, Transport
from bootwright.foundation.cache import KERNEL_TREES, KERNELS
from bootwright.foundation.choices import no_such
from bootwright.foundation.errors import Malformed, Missing, Refused
from bootwright.foundation.knowledge import Kind
from bootwright.foundation.progress import Progress
from bootwright.foundation.structure import STEM
from bootwright.kernels.archive import apt
from bootwright.kernels.archive.index import Indexer, Suite
from bootwright.kernels.archive.packages import Package, version_key
from bootwright.kernels.source import Source, load_sources
from bootwright.workshop.trees.model import KernelTree, read_version
from bootwright.workshop.trees.unpack import MOST_BYTES, unpack_tree

_COMPRESSIONS = {".xz": "xz", ".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2"}


@frozen
class TreePackages:
    """One file of `data/kernel-trees/`: packages that hold a kernel's source as a tarball."""

    name: str = field(metadata=STEM)
    source: str
    archive: str
    """A source of kernels (`data/kernels/`), whose archive, keys and suites serve these too."""
    package: str
    """The package's name, with `{series}`."""
    tarball: str
    """The path of the tarball in it, with `{series}`."""

    def series(self, package: str) -> str | None:
        """The series that a package of that name is of; None where it is no such package."""
        form = re.escape(self.package).replace(r"\{series\}", r"(?P<series>\d+(?:\.\d+)+)")
        match = re.fullmatch(form, package)
        return match["series"] if match is not None else None


TREE_PACKAGES = Kind("kernel-trees", "an archive's kernel sources", TreePackages)


def named(text: str) -> tuple[TreePackages, str, str | None] | None:
    """Whose package `linux-source-6.12` or `linux-source-6.12=6.12.107-1` is, its name, and its version.

    None where no such package is known by that form.
    """
    package, equals, version = text.partition("=")
    for known in TREE_PACKAGES.all().values():
        if known.series(package) is not None:
            return known, package, version if equals else None
    return None


@frozen
class Archive:
    """Where packages of kernel sources are fetched from."""

    address: str | None
    """In place of those that apt knows."""
    offline: bool
    progress: Progress

    def tree(self, known: TreePackages, package: str, version: str | None) -> KernelTree:
        """The tree in a package, fetched and unpacked where it is not here yet.

        Raises `Refused` where no suite has it, `Missing` where it would have to be fetched and cannot,
        `Malformed` where it is not what the signed index says.
        """
        source = next((source for source in load_sources() if source.name == known.archive), None)
        if source is None:
            raise Malformed(known.name, None, "archive = a source of kernels", repr(known.archive))
        transport = Transport(proxies=apt.proxies)
        suite, source_package = self._find(source, known, package, version, transport)
        where = f"{package} {source_package.version}"
        key = source_package.sha256[:32]
        path = KERNEL_TREES.folder() / key
        if self.offline and not path.is_dir():
            raise Missing(f"{where} would have to be fetched", hint="run it once without --offline")

        def fill(work: Path) -> None:
            self._fetch(
                suite, source_package, known.tarball.format(series=known.series(package)), work, transport
            )

        folder = KERNEL_TREES.fetched_folder(key, fill, source_package.sha256, self.progress)
        return KernelTree(
            folder=folder,
            version=read_version(folder),
            identity=f"package {source_package.sha256}",
            origin=f"{where} of {suite.archive}, SHA256 {source_package.sha256}, verified; {suite.checked}",
            kept=True,
        )

    def _find(
        self, source: Source, known: TreePackages, package: str, version: str | None, transport: Transport
    ) -> tuple[Suite, Package]:
        indexer = Indexer(
            KERNELS.folder() / "index/trees",
            transport,
            self.progress,
            archive=self.address,
            offline=self.offline,
            wanted=lambda name: known.series(name) is not None,
        )
        index = indexer.get(source)
        if index is None:
            raise Missing(
                f"the packages of {source.title} were never listed", hint="run it once without --offline"
            )
        there = [(suite, package) for suite in index.suites for package in suite.packages]
        named = [(suite, entry) for suite, entry in there if entry.name == package]
        if not named:
            names = sorted({package.name for _, package in there})
            raise no_such(f"{source.holder} has no package {package}", package, names, kind="source packages")
        fitting = [pair for pair in named if version is None or pair[1].version == version]
        if not fitting:
            versions = sorted({package.version for _, package in named}, key=version_key)  # type: ignore[arg-type]
            snapshot = (
                f", or one that left: --archive {source.snapshot.base.format(date='DATE')}"
                if source.snapshot is not None
                else ""
            )
            raise Refused(
                f"{source.holder} has no {package} {version}",
                hint=f"there is {', '.join(versions)}{snapshot}",
            )
        return max(fitting, key=lambda pair: version_key(pair[1].version))  # type: ignore[arg-type,return-value]

    def _fetch(self, suite: Suite, package: Package, tarball: str, work: Path, transport: Transport) -> None:
        url = f"{suite.archive}/{package.filename}"
        part = KERNELS.folder() / "downloads" / f"{package.sha256}.part"
        megabytes = package.size / 1e6
        with Download(transport, url, part, package.size) as download:
            with self.progress.step(f"fetch {package.name} {package.version}, {megabytes:.0f} MB"):
                try:
                    while download.read(1 << 20):
                        self.progress.advance(download.position / 1e6, megabytes, "MB")
                except NotThere as error:
                    raise NotThere(error.message, hint="it left the archive: name another version") from error
            if download.position != package.size or download.sha256() != package.sha256:
                digest = download.sha256()
                download.discard()
                raise Malformed(
                    url, None, f"SHA256 {package.sha256[:16]}… as in the signed index", f"{digest[:16]}…",
                    hint="the mirror is damaged or was tampered with; try another --archive",
                )  # fmt: skip
        with self.progress.step(f"unpack {package.name}"), part.open("rb") as file:
            deb = DebReader(file, package.filename)
            for member, content in deb.files():
                if member.name == tarball:
                    kind = _COMPRESSIONS[Path(tarball).suffix]
                    where = f"{package.filename}:{tarball}"
                    unpack_tree(
                        Decompressed(content, kind, where, limit=MOST_BYTES), where, work, self.progress
                    )
                    break
            else:
                raise Malformed(package.filename, None, tarball, "no such file in the package")
        part.unlink(missing_ok=True)
