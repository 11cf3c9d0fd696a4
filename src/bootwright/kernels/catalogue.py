"""All kernels that can be had, by name: the one door to this package for the layers above."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bootwright.formats.sources.transport import Transport
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.choices import near
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.foundation.versions import Version
from bootwright.kernels.archive import apt
from bootwright.kernels.model import Kernel, Listed
from bootwright.kernels.source import PAGE_NAMES, Source, load_sources
from bootwright.kernels.store import ADDED, Manifest, Store

# A kernel that is stored already needs none of the modules for fetching.
if TYPE_CHECKING:
    from bootwright.kernels.archive.index import Entry, Index
    from bootwright.kernels.fetch import Fetcher

_NAME = re.compile(
    r"(?P<source>[a-z][a-z0-9]*)-(?P<version>\d+(?:\.\d+)*)-(?P<pages>4k|16k|64k)"
    r"(?:-(?P<variant>[a-z][a-z0-9]*))?"
)


def variant_of(name: str) -> str | None:
    """What follows the page size in a catalogue name (`cloud`, `rt`), or None."""
    match = _NAME.fullmatch(name)
    return match["variant"] if match is not None and match["source"] != ADDED else None


class Library:
    """Kernels of the archives, of the cache, and of the user's own. Make one with `open_library`."""

    def __init__(
        self,
        store: Store,
        sources: Sequence[Source],
        transport: Transport,
        progress: Progress,
        *,
        archive: str | None,
        offline: bool,
    ) -> None:
        self.store = store
        self.sources = tuple(sources)
        self._transport = transport
        self._progress = progress
        self._offline = offline
        self._archive = archive

    @property
    def received_bytes(self) -> int:
        """What came over the network so far."""
        return self._transport.received

    def listed(self) -> list[Listed]:
        """All kernels, newest first: those of the archives, and those here that are in none.

        Works offline from what was listed before. Raises `Missing` when the archive cannot be reached and
        there is neither a list from before nor a kernel here.
        """
        listed = self._all()
        if self._failure is not None:
            self._progress.note(f"{self._failure.message}; only kernels on this machine are listed")
        return listed

    @property
    def complete(self) -> bool:
        """Whether the list of every source could be read, so that a kernel missing there has left it."""
        return self._without_list == 0 if "_entries" in self.__dict__ else False

    def _all(self) -> list[Listed]:
        archived = {entry.name: self._listed(entry) for entry in self._entries.values()}
        local = {
            name: _listed_manifest(manifest)
            for name in self.store.names()
            if name not in archived and (manifest := self.store.manifest(name)) is not None
        }
        by_name = sorted((archived | local).values(), key=lambda kernel: (kernel.page_size, kernel.name))
        return sorted(by_name, key=lambda kernel: kernel.version, reverse=True)

    def resolve(self, name: str) -> Listed:
        """The kernel called `name`, exactly, or as a shorter name: `debian-6.18-16k` is the newest that fits.

        An exact name of a kernel that is here needs no network. Offline, a shorter name means the newest that
        fits of those here, if there is one. Raises `Refused` for a name that nothing fits, with the nearest.
        """
        manifest = self.store.manifest(name)
        if manifest is not None:
            entry = self._entries.get(name) if "_entries" in self.__dict__ else None
            return self._listed(entry) if entry is not None else _listed_manifest(manifest)
        listed = self._listed_or_explain(name)
        exact = next((kernel for kernel in listed if kernel.name == name), None)
        if exact is not None:
            return exact
        asked = _NAME.fullmatch(name)
        if asked is not None:
            fitting = [kernel for kernel in listed if _fits(kernel, asked)]
            cached = [kernel for kernel in fitting if kernel.cached]
            if self._offline and cached:
                return cached[0]
            if fitting:
                return fitting[0]
        raise self._unknown(name, asked, listed)

    def get(self, name: str, *, modules: bool = False) -> Kernel:
        """The kernel called `name` (as in `resolve`), fetched if it is not here; cached, it needs no network.

        With `modules` also all its modules and devicetree blobs. Raises `Refused` for an unknown name or when
        a part has left the archive, `Missing` when the network is needed and not there or the disk is full,
        `Malformed` when what came does not verify.
        """
        manifest = self.store.manifest(name)
        if manifest is None:
            name = self.resolve(name).name
            manifest = self.store.manifest(name)
        if manifest is not None and (manifest.modules or not modules):
            return self.store.kernel(manifest)
        if manifest is not None and manifest.source == ADDED:
            raise Refused(
                f"{name} has no modules",
                hint="add it again with its modules: bootwright kernels add FILE --modules DIR",
            )
        if self._offline:
            what = "the modules of " if manifest is not None else ""
            raise Missing(f"{what}{name} would have to be fetched", hint="run it once without --offline")
        entry = self._entries.get(name)
        if entry is None:
            raise self._unknown(name, _NAME.fullmatch(name), self._all())
        return self.store.kernel(self._fetcher.fetch(entry, modules=modules))

    def remove(self, name: str) -> int:
        """Delete a kernel from this machine; returns the bytes freed. Raises `Refused` when it is not."""
        with self.store.alone(self._progress):
            if name not in self.store.names():
                raise Refused(f"{name} is not on this machine", hint=_near(name, self.store.names()))
            return self.store.remove(name)

    @cached_property
    def _fetcher(self) -> Fetcher:
        from bootwright.kernels.fetch import Fetcher

        return Fetcher(self.store, self._transport, self._progress)

    @cached_property
    def _entries(self) -> dict[str, Entry]:
        """What the archives have, by name."""
        from bootwright.kernels.archive.index import Indexer, entries

        indexer = Indexer(
            self.store.root / "index",
            self._transport,
            self._progress,
            archive=self._archive,
            offline=self._offline,
        )
        found: dict[str, Entry] = {}
        failure: BootwrightError | None = None
        for source in self.sources:
            try:
                index: Index | None = indexer.get(source)
            except BootwrightError as error:
                failure = failure or error
                self._without_list += 1
                continue
            if index is None:
                self._without_list += 1
            else:
                found |= {entry.name: entry for entry in entries(source, index)}
        if failure is not None:
            if not found and not self.store.names():
                raise failure
            self._failure = failure
        return found

    _failure: BootwrightError | None = None
    _without_list: int = 0

    def _listed_or_explain(self, name: str) -> list[Listed]:
        listed = self._all()
        if not listed and self._offline:
            raise Missing(
                f"{name} is not on this machine, and no list of kernels either",
                hint="run it once without --offline",
            )
        return listed

    def _listed(self, entry: Entry) -> Listed:
        manifest = self.store.manifest(entry.name)
        share = entry.layout.front_share
        image_size = int(sum(package.size for package in entry.boot) * (share or 1))
        whole_size = sum(package.size for package in entry.modules)
        return Listed(
            name=entry.name,
            version=entry.version,
            page_size=entry.page_size,
            flavour=entry.flavour,
            source=entry.source.name,
            download_bytes=0 if manifest is not None else image_size,
            modules_bytes=0 if manifest is not None and manifest.modules else whole_size,
            image_size=image_size,
            whole_size=whole_size,
            cached=manifest is not None,
            modules_cached=manifest is not None and manifest.modules,
            suite=entry.suite.name,
        )

    def _unknown(self, name: str, asked: re.Match[str] | None, listed: list[Listed]) -> BootwrightError:
        if self._failure is not None:
            return self._failure
        if asked is not None and asked["source"] in {source.name for source in self.sources}:
            return self._left(name, listed)
        names = [kernel.name for kernel in listed]
        # A shorter version means the newest that fits: `debian-6.18-4k`.
        short = [re.sub(r"(\d+\.\d+)\.[\d.]+", r"\1", each, count=1) for each in names]
        return Refused(f"there is no kernel {name!r}", hint=_near(name, [*short, *names]))

    def _left(self, name: str, listed: list[Listed]) -> BootwrightError:
        """A well-formed name that the archive does not have (any more)."""
        asked = _NAME.fullmatch(name)
        source = next((source for source in self.sources if name.startswith(f"{source.name}-")), None)
        hints: list[str] = []
        if asked is not None:
            wanted = Version.parse(asked["version"])
            same = [
                kernel
                for kernel in listed
                if PAGE_NAMES[kernel.page_size] == asked["pages"]
                and wanted is not None
                and kernel.version.series() == wanted.series()
            ]
            if same:
                hints.append(f"the newest of that series is {same[0].name}")
            elif wanted is not None:
                others = [kernel for kernel in listed if PAGE_NAMES[kernel.page_size] == asked["pages"]]
                newer = [kernel.name for kernel in others if kernel.version > wanted][-1:]
                older = [kernel.name for kernel in others if kernel.version < wanted][:1]
                if newer or older:
                    hints.append(f"nearest to it: {', '.join(older + newer)}")
        if source is not None and source.snapshot is not None:
            past = source.snapshot.base.format(date="DATE")
            hints.append(
                f"a version that left the archive is at --archive {past} of a date when it was current"
            )
        suites = ", ".join(source.suites) if source is not None else "the archive"
        return Refused(f"{name} is not, or no longer, in {suites}", hint="; ".join(hints) or None)


def open_library(
    *,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    sources: Sequence[Path] | None = None,
) -> Library:
    """The library over the user's cache.

    `archive` is an address that replaces the ones apt knows (default: `$BOOTWRIGHT_ARCHIVE`); `offline`
    forbids any network use; `sources` are files in the form of `data/kernels/` (default: those).
    """
    return Library(
        Store(KERNELS.folder()),
        load_sources(sources),
        Transport(proxies=apt.proxies),
        progress if progress is not None else Silent(),
        archive=archive or os.environ.get("BOOTWRIGHT_ARCHIVE") or None,
        offline=offline,
    )


def _listed_manifest(manifest: Manifest) -> Listed:
    version = Version.parse(manifest.version) or Version(manifest.version, ((0,), 0))
    return Listed(
        name=manifest.name,
        version=version,
        page_size=manifest.page_size,
        flavour=manifest.flavour,
        source=manifest.source,
        download_bytes=0,
        modules_bytes=0,
        cached=True,
        modules_cached=manifest.modules,
        suite="",
    )


def _fits(kernel: Listed, asked: re.Match[str]) -> bool:
    if kernel.source != asked["source"] or PAGE_NAMES[kernel.page_size] != asked["pages"]:
        return False
    if kernel.source != ADDED and variant_of(kernel.name) != asked["variant"]:
        return False
    prefix = [int(part) for part in asked["version"].split(".")]
    numbers = [int(part) for part in re.findall(r"\d+", str(kernel.version))]
    return numbers[: len(prefix)] == prefix


def _near(name: str, names: Sequence[str]) -> str:
    found = near(name, names)
    if found:
        return f"did you mean {', '.join(found)}?"
    return "see bootwright kernels list" if names else "nothing is here yet: bootwright kernels list"
