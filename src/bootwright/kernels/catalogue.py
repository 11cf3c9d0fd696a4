"""All kernels that can be had, by name: the one door to this package for the layers above."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from bootwright.formats.sources.address import is_address
from bootwright.formats.sources.transport import Transport
from bootwright.foundation.cache import KERNELS
from bootwright.foundation.choices import near, one_of
from bootwright.foundation.errors import BootwrightError, Missing, Refused
from bootwright.foundation.progress import Progress, Silent
from bootwright.foundation.versions import Version
from bootwright.kernels.archive import apt
from bootwright.kernels.model import Kernel, Listed
from bootwright.kernels.source import PAGE_NAMES, AnySource, Source, all_sources, load_sources
from bootwright.kernels.store import ADDED, Manifest, Store

# A kernel that is stored already needs none of the modules for fetching.
if TYPE_CHECKING:
    from bootwright.kernels.offers import Offer

_NAME = re.compile(
    r"(?P<source>[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*)-(?P<version>\d+(?:\.\d+)*)-(?P<pages>4k|16k|64k)"
    r"(?:-(?P<variant>[a-z][a-z0-9]*))?"
)


def variant_of(name: str) -> str | None:
    """What follows the page size in a catalogue name (`cloud`, `rt`), or None."""
    match = _NAME.fullmatch(name)
    return match["variant"] if match is not None and match["source"] != ADDED else None


class Library:
    """Kernels of the sources, of the cache, and of the user's own. Make one with `open_library`."""

    def __init__(
        self,
        store: Store,
        sources: Sequence[AnySource],
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
        self.offline = offline
        self.archive = archive
        self._offers: dict[str, Mapping[str, Offer] | None] = {}
        self._failures: dict[str, BootwrightError] = {}

    @property
    def received_bytes(self) -> int:
        """What came over the network so far."""
        return self._transport.received

    @property
    def archives(self) -> tuple[Source, ...]:
        """The sources that are archives of packages."""
        return tuple(source for source in self.sources if isinstance(source, Source))

    def listed(self, sources: Collection[str] = ()) -> list[Listed]:
        """The kernels of these sources, newest first: what they have, and what is here that they do not have.

        Without names those of the sources that are always listed, and everything that is here. Works offline
        from what was listed before. Raises `Refused` for an unknown source, `Missing` when none of them can
        be reached and there is neither a list from before nor a kernel here.
        """
        for name in sources:
            if name != ADDED:
                one_of(name, [source.name for source in self.sources], what="kernel source", kind="sources")
        listed = self._all(sources)
        if self._failures and not listed:
            raise next(iter(self._failures.values()))
        for failure in self._failures.values():
            self._progress.note(f"{failure.message}; only kernels on this machine are listed")
        return listed

    def has_list(self, source: str) -> bool:
        """Whether the list of a source could be read, so that a kernel missing there has left it."""
        return self._offers.get(source) is not None

    def _all(self, sources: Collection[str] = ()) -> list[Listed]:
        offers: dict[str, Offer] = {}
        for source in self.sources:
            if source.name in sources or (not sources and source.always):
                offers |= self._offers_of(source) or {}
        manifests = [manifest for name in self.store.names() if (manifest := self.store.manifest(name))]
        listed = {name: offer.listed(self.store.manifest(name)) for name, offer in offers.items()}
        for manifest in manifests:
            if manifest.name not in listed and (not sources or manifest.source in sources):
                listed[manifest.name] = _listed_manifest(manifest)
        by_name = sorted(listed.values(), key=lambda kernel: (kernel.page_size, kernel.name))
        return sorted(by_name, key=lambda kernel: kernel.version, reverse=True)

    def resolve(self, name: str) -> Listed:
        """The kernel called `name`, exactly, or as a shorter name: `debian-6.18-16k` is the newest that fits.

        An exact name of a kernel that is here needs no network. Offline, a shorter name means the newest that
        fits of those here, if there is one. Raises `Refused` for a name that nothing fits, with the nearest.
        """
        manifest = self.store.manifest(name)
        asked = _NAME.fullmatch(name)
        if manifest is not None:
            offer = (self._offers.get(manifest.source) or {}).get(name)
            return offer.listed(manifest) if offer is not None else _listed_manifest(manifest)
        listed = self._listed_or_explain(name, asked)
        exact = next((kernel for kernel in listed if kernel.name == name), None)
        if exact is not None:
            return exact
        if asked is not None:
            fitting = [kernel for kernel in listed if _fits(kernel, asked)]
            cached = [kernel for kernel in fitting if kernel.cached]
            if self.offline and cached:
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
        if is_address(name):
            raise self._unknown(name, None, [])
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
        if self.offline:
            what = "the modules of " if manifest is not None else ""
            raise Missing(f"{what}{name} would have to be fetched", hint="run it once without --offline")
        asked = _NAME.fullmatch(name)
        source = self._source(manifest.source if manifest is not None else asked["source"] if asked else "")
        offer = (self._offers_of(source) or {}).get(name) if source is not None else None
        if offer is None:
            raise self._unknown(name, asked, self._all())
        return self.store.kernel(offer.fetch(modules=modules))

    def remove(self, name: str) -> int:
        """Delete a kernel from this machine; returns the bytes freed. Raises `Refused` when it is not."""
        with self.store.alone(self._progress):
            if name not in self.store.names():
                raise Refused(f"{name} is not on this machine", hint=_near(name, self.store.names()))
            return self.store.remove(name)

    def _source(self, name: str) -> AnySource | None:
        return next((source for source in self.sources if source.name == name), None)

    def _offers_of(self, source: AnySource) -> Mapping[str, Offer] | None:
        """What a source has, by name; None where that cannot be known, for the reason in `_failures`."""
        from bootwright.kernels.offers import Means, offers

        if source.name not in self._offers:
            # What the environment says is the address of the sources that nobody has to name.
            usual = os.environ.get("BOOTWRIGHT_ARCHIVE") if source.always else None
            archive = self.archive or usual or None
            means = Means(self.store, self._transport, self._progress, archive, self.offline)
            try:
                self._offers[source.name] = offers(source, means)
            except BootwrightError as error:
                self._offers[source.name] = None
                self._failures[source.name] = error
        return self._offers[source.name]

    def _listed_or_explain(self, name: str, asked: re.Match[str] | None) -> list[Listed]:
        source = self._source(asked["source"]) if asked is not None else None
        listed = self._all((source.name,) if source is not None else ())
        if not listed and self.offline:
            raise Missing(
                f"{name} is not on this machine, and no list of kernels either",
                hint="run it once without --offline",
            )
        return listed

    def _unknown(self, name: str, asked: re.Match[str] | None, listed: list[Listed]) -> BootwrightError:
        failure = self._failures.get(asked["source"]) if asked is not None else None
        failure = failure or next(iter(self._failures.values()), None)
        if failure is not None:
            return failure
        if asked is not None and asked["source"] in {source.name for source in self.sources}:
            return self._left(name, listed)
        if asked is not None:
            # The version may be right, and the source misspelt.
            sources = near(asked["source"], [source.name for source in self.sources], most=1)
            meant = f"did you mean {sources[0]}{name.removeprefix(asked['source'])}?" if sources else None
            if meant:
                return Refused(f"there is no source of kernels {asked['source']!r}", hint=meant)
        names = [kernel.name for kernel in listed]
        if is_address(name):
            return Refused(f"{name} is no name", hint="bootwright kernels add gives what is there one")
        if any(source.name == name for source in self.sources):
            return Refused(
                f"{name!r} alone is no kernel",
                hint=f"its kernels: bootwright kernels list --source {name}; a system's published image is "
                "taken by bootwright prepare",
            )
        # A shorter version means the newest that fits: `debian-6.18-4k`.
        short = [re.sub(r"(\d+\.\d+)\.[\d.]+", r"\1", kernel_name, count=1) for kernel_name in names]
        return Refused(f"there is no kernel {name!r}", hint=_near(name, [*short, *names]))

    def _left(self, name: str, listed: list[Listed]) -> BootwrightError:
        """A well-formed name that the archive does not have (any more)."""
        asked = _NAME.fullmatch(name)
        source = self._source(asked["source"]) if asked is not None else None
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
        if isinstance(source, Source) and source.snapshot is not None:
            past = source.snapshot.base.format(date="DATE")
            hints.append(
                f"a version that left the archive is at --archive {past} of a date when it was current"
            )
        suites = source.holder if source is not None else "the archive"
        return Refused(f"{name} is not, or no longer, in {suites}", hint="; ".join(hints) or None)


def open_library(
    *,
    archive: str | None = None,
    offline: bool = False,
    progress: Progress | None = None,
    sources: Sequence[Path] | None = None,
) -> Library:
    """The library over the user's cache.

    `archive` is an address that replaces the ones apt knows, and those in the sources' files (default, for
    the sources always listed: `$BOOTWRIGHT_ARCHIVE`); `offline`
    forbids any network use; `sources` are files in the form of `data/kernels/` (default: those, and the
    user's own), and all of them are then always listed.
    """
    return Library(
        Store(KERNELS.folder()),
        all_sources()
        if sources is None
        else [evolve(source, always=True) for source in load_sources(sources)],
        Transport(proxies=apt.proxies),
        progress if progress is not None else Silent(),
        archive=archive,
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
    # The name's version, which with some sources is a distribution's and not the kernel's.
    own = _NAME.fullmatch(kernel.name) if kernel.source != ADDED else None
    version = own["version"] if own is not None else str(kernel.version)
    prefix = [int(part) for part in asked["version"].split(".")]
    numbers = [int(part) for part in re.findall(r"\d+", version)]
    return numbers[: len(prefix)] == prefix


def _near(name: str, names: Sequence[str]) -> str:
    similar = near(name, names)
    if similar:
        return f"did you mean {', '.join(similar)}?"
    return "see bootwright kernels list" if names else "nothing is here yet: bootwright kernels list"
