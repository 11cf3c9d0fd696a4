"""Kernels of registries and of web servers: taken out of what holds them, and kept in the store.

What an image, a package or a bare Image boots is found as `inspect` finds it, so that no path in it has to be
known. A tag is followed once: what is fetched, and noted in the store, is the digest it named.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from bootwright.formats.archives.registry_front import take_files
from bootwright.formats.archives.registry_image import open_image
from bootwright.formats.kernel.arm64_image import read_kernel_image, unwrapped
from bootwright.formats.sources.address import REGISTRY
from bootwright.formats.sources.bytesource import FileBytes
from bootwright.formats.sources.compressed import DEFAULT_LIMIT
from bootwright.formats.sources.registry import Registry, read_reference
from bootwright.formats.sources.spool import digest
from bootwright.formats.sources.transport import Transport, Unreachable
from bootwright.formats.sources.url import fetch_url
from bootwright.foundation import atomic
from bootwright.foundation.errors import Malformed, Refused
from bootwright.foundation.progress import Progress
from bootwright.foundation.versions import Version
from bootwright.inspect.explore import Explorer
from bootwright.inspect.facts import Item, ItemKind
from bootwright.inspect.local import kernel_folder
from bootwright.kernels.fetch import check_page_size
from bootwright.kernels.model import Listed
from bootwright.kernels.source import PAGE_NAMES, AddressSource, RegistrySource
from bootwright.kernels.store import Manifest, Store

# As long as an archive's list (kernels.archive.index).
_FRESH_SECONDS = 6 * 3600
_BY_DIGEST = "by digest, from the tag's manifest down: every layer that was read."
_BY_PART = (
    "manifest: by digest. The layer's digest was NOT verified, because only its front was read: whoever "
    "controls the registry or the connection to it could have changed the kernel. Fetching it with its "
    "modules verifies it."
)
_UNSIGNED = "What the tag names was said by the registry, and is signed by nobody."
_FRONT = "front of layer"
"""Key of the provenance: the layer that only a part of was read."""


@frozen
class Held:
    """A kernel that something elsewhere holds, and how it is got at."""

    name: str
    version: Version
    page_size: int
    source: str
    place: str
    """A tag, or the file's name: what the list shows beside it."""
    explore: Callable[[Progress, Transport], tuple[Item, dict[str, str]]]
    """Fetch it: what holds the kernel, and its provenance."""
    front: Callable[[Path, Progress, Transport], dict[str, str] | None] | None
    """Fetch `boot/vmlinuz` alone into a folder: its provenance, or None where it is in another place."""
    store: Store
    transport: Transport
    progress: Progress

    def listed(self, manifest: Manifest | None) -> Listed:
        """Its line in the catalogue; how much there is to fetch is not known before."""
        return Listed(
            name=self.name,
            version=self.version,
            page_size=self.page_size,
            flavour="",
            source=self.source,
            download_bytes=0,
            modules_bytes=0,
            cached=manifest is not None,
            modules_cached=manifest is not None and manifest.modules,
            suite=self.place,
        )

    def fetch(self, *, modules: bool) -> Manifest:
        """Bring it into the store, with its modules and devicetrees where it has them.

        Raises `Refused` where modules are asked for and there are none, `Missing` where it cannot be had or
        holds no kernel, `Malformed` when it is not what its digest says.
        """
        with self.store.changing(self.name, self.progress) as work:
            known = self.store.manifest(self.name)
            if known is None and not modules and self.front is not None:
                provenance = self.front(work, self.progress, self.transport)
                if provenance is not None:
                    return self._keep(work, work, provenance)
            if known is None or (modules and _FRONT in known.provenance):
                item, provenance = self.explore(self.progress, self.transport)
                folder = kernel_folder(item, self.progress)
                if known is not None:
                    self._check_same(known, folder)
                known = self._keep(folder, work, provenance)
            if modules and not known.modules:
                raise Refused(f"{self.name} holds no modules of its kernel", hint="give them with --modules")
            return known

    def _check_same(self, known: Manifest, folder: Path) -> None:
        """Raise `Malformed` where the part that was read before held another kernel than the whole."""
        image = unwrapped(FileBytes(folder / "boot/vmlinuz"))[0]
        if digest(image) != known.image:
            self.store.forget(self.name)
            raise Malformed(
                self.name,
                None,
                f"the image fetched before ({known.image[:16]}…)",
                "another one in the verified layer",
                hint="the first was not what the manifest names, and is forgotten; fetch again",
            )

    def _keep(self, folder: Path, work: Path, provenance: dict[str, str]) -> Manifest:
        image = FileBytes(folder / "boot/vmlinuz")
        facts = read_kernel_image(image)
        version = Version.parse(facts.version or "")
        if facts.release is None or version is None:
            raise Malformed(self.name, None, "a kernel release ('Linux version …')", repr(facts.release))
        config = folder / f"boot/config-{facts.release}"
        page_size = check_page_size(facts, config, self.page_size, self.name)
        kept = self.store.keep(unwrapped(image)[0])
        parts = [part for part in ("lib", "dtbs") if (folder / part).is_dir()]
        try:
            for part in parts:
                shutil.copytree(folder / part, work / "tree" / part)
        except (OSError, shutil.Error) as error:
            raise atomic.explained(OSError(str(error)), work / "tree") from error
        manifest = Manifest(
            name=self.name,
            version=str(version),
            release=facts.release,
            flavour="",
            source=self.source,
            page_size=page_size,
            image=kept,
            image_bytes=facts.file_size,
            config=self.store.keep(FileBytes(config)) if config.is_file() else None,
            tree=self.store.keep_tree(work / "tree", (folder.name,)) if parts else None,
            modules=(folder / "lib/modules" / facts.release / "kernel").is_dir(),
            dtbs="dtbs" in parts,
            suite=self.place,
            provenance=provenance,
        )
        self.store.save(manifest)
        return manifest


def of_registry(
    source: RegistrySource,
    store: Store,
    transport: Transport,
    progress: Progress,
    *,
    address: str | None,
    offline: bool,
) -> dict[str, Held] | None:
    """The kernels of a registry by name, of several tags for a version the one with the highest numbers.

    `address` is another repository in place of the source's. None where offline the tags were never listed.
    Raises `Missing` where the registry cannot be reached or has no such repository.
    """
    image = address or source.image
    if not image.startswith(REGISTRY):
        raise Refused(
            f"{image!r} is no repository of a registry", hint="give it as --archive oci://HOST/NAME"
        )
    tags = _tags(image, store, transport, progress, offline=offline)
    if tags is None:
        return None
    held: dict[str, Held] = {}
    for tag in sorted(tags, key=lambda tag: [int(number) for number in re.findall(r"\d+", tag)[:8]]):
        version = source.version_of(tag)
        if version is None:
            continue
        name = f"{source.name}-{version}-{PAGE_NAMES[source.page_size]}"
        held[name] = Held(
            name=name,
            version=version,
            page_size=source.page_size,
            source=source.name,
            place=tag,
            explore=_Pull(image, tag, source.front).explore,
            front=_Pull(image, tag, source.front).take if source.front else None,
            store=store,
            transport=transport,
            progress=progress,
        )
    return held


@frozen
class _Pull:
    image: str
    tag: str
    front: tuple[str, ...]

    def explore(self, progress: Progress, transport: Transport) -> tuple[Item, dict[str, str]]:
        """See `Held.explore`."""
        pinned = self._pinned(transport)
        item = Explorer(progress=progress, transport=transport).artifact(pinned)
        container = next(iter(item.of_kind(ItemKind.CONTAINER)))
        left, unsure = container.fact("layers_not_read"), container.fact("layers_not_verified")
        verified = f"{_BY_DIGEST} {_UNSIGNED}"
        if isinstance(left, list):
            verified += f" Lower layers not read: {len(left)}."
        if isinstance(unsure, list):
            verified += f" NOT verified, because only parts of them were read: {', '.join(map(str, unsure))}."
        return item, {"pulled": pinned, "manifest": str(container.fact("digest")), "verified": verified}

    def take(self, work: Path, progress: Progress, transport: Transport) -> dict[str, str] | None:
        """See `Held.front`."""
        pinned = self._pinned(transport)
        pulled = open_image(pinned, limit=DEFAULT_LIMIT, progress=progress, transport=transport)
        taken = take_files(pulled, self.front, work / "taken", progress)
        kernel = taken.files.get(self.front[0])
        if kernel is None:
            return None
        place = work / "boot/vmlinuz"
        place.parent.mkdir(parents=True)
        kernel.rename(place)
        provenance = {"pulled": pinned, "manifest": pulled.digest, "verified": f"{_BY_DIGEST} {_UNSIGNED}"}
        if taken.part is not None:
            provenance |= {_FRONT: taken.part, "verified": f"{_BY_PART} {_UNSIGNED}"}
        return provenance

    def _pinned(self, transport: Transport) -> str:
        reference = read_reference(f"{self.image}:{self.tag}")
        return f"{reference}@{Registry(reference, transport).document(self.tag).digest}"


def _tags(
    image: str, store: Store, transport: Transport, progress: Progress, *, offline: bool
) -> list[str] | None:
    """The tags of a repository, as they were listed lately."""
    path = store.root / "index" / f"tags-{hashlib.sha256(image.encode()).hexdigest()[:16]}.json"
    kept, age = _kept(path)
    if offline or (kept is not None and 0 <= age < _FRESH_SECONDS):
        return kept
    reference = read_reference(image)
    try:
        with progress.step(f"list the tags of {reference.name}"):
            tags = Registry(reference, transport).tags()
    except Unreachable as error:
        if kept is None:
            raise
        progress.note(f"{error.message}; going by the list of {age / 3600:.0f} hours ago")
        return kept
    atomic.write_text(path, json.dumps({"fetched": time.time(), "tags": tags}))
    return tags


def _kept(path: Path) -> tuple[list[str] | None, float]:
    """The tags in a file, and their age in seconds; None where there is none that can be read."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tags, fetched = data["tags"], float(data["fetched"])
    except (OSError, ValueError, TypeError, KeyError):
        return None, 0.0
    return ([str(tag) for tag in tags] if isinstance(tags, list) else None), time.time() - fetched


def of_addresses(
    source: AddressSource, store: Store, transport: Transport, progress: Progress
) -> dict[str, Held]:
    """The kernels of a list of addresses by name."""
    held: dict[str, Held] = {}
    for pinned in source.kernel:
        version = Version.parse(pinned.version)
        assert version is not None  # noqa: S101 - checked when the file was read
        name = f"{source.name}-{version}-{PAGE_NAMES[pinned.page_size]}"
        held[name] = Held(
            name=name,
            version=version,
            page_size=pinned.page_size,
            source=source.name,
            place=pinned.url.rpartition("/")[2],
            explore=_Fetch(pinned.url, pinned.sha256).explore,
            front=None,
            store=store,
            transport=transport,
            progress=progress,
        )
    return held


@frozen
class _Fetch:
    url: str
    sha256: str

    def explore(self, progress: Progress, transport: Transport) -> tuple[Item, dict[str, str]]:
        path = fetch_url(self.url, progress, transport)
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != self.sha256:
            path.unlink(missing_ok=True)
            raise Malformed(
                self.url,
                None,
                f"SHA256 {self.sha256[:16]}… as the source's file says",
                f"{digest[:16]}…",
                hint="the file was changed there, or the source's file is out of date",
            )
        item = Explorer(progress=progress).artifact(str(path))
        verified = "SHA256 of the whole file, as in the source's file"
        return item, {"url": self.url, "sha256": self.sha256, "verified": verified}
