"""What a source of kernels has, whatever kind of source it is: names, and how each is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from bootwright.foundation.progress import Progress
from bootwright.kernels.model import Listed
from bootwright.kernels.source import AddressSource, AnySource, RegistrySource
from bootwright.kernels.store import Manifest, Store

if TYPE_CHECKING:
    from bootwright.formats.sources.transport import Transport
    from bootwright.kernels.archive.index import Entry


class Offer(Protocol):
    """One kernel that a source has."""

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        ...

    def listed(self, manifest: Manifest | None) -> Listed:
        """Its line in the catalogue; `manifest` is what of it is on this machine."""
        ...

    def fetch(self, *, modules: bool) -> Manifest:
        """Bring it into the store; raises `Refused`, `Missing` or `Malformed`."""
        ...


@frozen
class Means:
    """What fetching takes."""

    store: Store
    transport: Transport
    progress: Progress
    archive: str | None
    """An address in place of the source's own."""
    offline: bool


def offers(source: AnySource, means: Means) -> Mapping[str, Offer] | None:
    """The kernels of a source by name; None where offline nothing is known of them.

    Raises `Unreachable`, or what is wrong with what the source answers.
    """
    if isinstance(source, RegistrySource):
        from bootwright.kernels.elsewhere import of_registry

        return of_registry(
            source, means.store, means.transport, means.progress, address=means.archive, offline=means.offline
        )
    if isinstance(source, AddressSource):
        from bootwright.kernels.elsewhere import of_addresses

        return of_addresses(source, means.store, means.transport, means.progress)
    from bootwright.kernels.archive.index import Indexer, entries

    indexer = Indexer(
        means.store.root / "index",
        means.transport,
        means.progress,
        archive=means.archive,
        offline=means.offline,
    )
    index = indexer.get(source)
    if index is None:
        return None
    return {entry.name: _ArchiveOffer(entry, means) for entry in entries(source, index)}


@frozen
class _ArchiveOffer:
    """A kernel in an archive's packages."""

    entry: Entry
    means: Means

    @property
    def name(self) -> str:
        return self.entry.name

    def listed(self, manifest: Manifest | None) -> Listed:
        entry = self.entry
        image_size = int(sum(package.size for package in entry.boot) * (entry.layout.front_share or 1))
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

    def fetch(self, *, modules: bool) -> Manifest:
        from bootwright.kernels.fetch import Fetcher

        means = self.means
        return Fetcher(means.store, means.transport, means.progress).fetch(self.entry, modules=modules)
